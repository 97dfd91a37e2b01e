"""What params.yaml may say: the sections, their checks, and the values that each stage gets."""
