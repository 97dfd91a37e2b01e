"""Average precision, its protocols and its uncertainty."""
