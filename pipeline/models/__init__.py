"""The networks: plain classes with plain arguments."""
