"""A synthetic dataset of moving persons, laid out as the real mirrors; only stages import it."""
