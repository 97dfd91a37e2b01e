"""A synthetic world of moving people, published in the layout of the real mirrors."""
