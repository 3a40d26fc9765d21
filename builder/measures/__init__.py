"""Generated answers in; what each is worth, by several measures, out."""
