"""What a model was before and what it has become in; what it lost, learned by heart or takes amiss, out."""
