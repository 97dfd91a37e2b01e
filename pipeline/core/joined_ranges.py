"""Another name for a part of `tables`."""

from pipeline.core.tables import joined_ranges as joined_ranges
