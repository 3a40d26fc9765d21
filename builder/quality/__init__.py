"""The rows of a dataset in; what is good and bad about them, and what to do first, out."""
