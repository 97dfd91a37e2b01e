"""Ground truth, class lists and the clip list, and how they become one index."""
