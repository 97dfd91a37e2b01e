"""Another name for a part of `tables`."""

from pipeline.core.tables import positions as positions
from pipeline.core.tables import spelled_out as spelled_out
