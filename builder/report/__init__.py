"""What a run found, told to people: its evidence, a page, pictures and a model card."""
