"""What measurements of a running vLLM share: the engine, adapters that are told apart by one word, and readers."""
