"""What a run will take, before it begins: tokens, steps, memory, time and disk."""
