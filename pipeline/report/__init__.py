"""The study's results as a table, figures and one self-contained page."""
