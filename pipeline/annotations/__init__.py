"""Ground truth, people and clip lists, and how they become one index."""
