"""Getting videos and annotations from where they are: one class per source, HTTP, archives."""
