"""Person boxes: published files, and the detector where there are none."""
