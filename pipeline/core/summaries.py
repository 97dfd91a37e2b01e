"""What one job did, in counts: a JSON file beside its log, which `record` mirrors to MLflow."""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from pipeline.core.atomic import written

logger = logging.getLogger(__name__)
_STARTED = time.monotonic()


def read_summary(path: Path) -> dict[str, float]:
    """Return the counts of a summary; none, and a warning, if the file is not one."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and all(type(value) in (int, float) for value in found.values()):
        return found
    logger.warning("%s: found no counts, expected a job's summary; it is left out", path)
    return {}


def write_summary(path: Path | None, counts: Mapping[str, float]) -> None:
    """Log the counts and the seconds so far; when a path is given, write them there as JSON.

    Args:
        counts: name to number; names carry their unit (`bytes`, `seconds`, `clips`).
    """
    counts = {**counts, "seconds": round(time.monotonic() - _STARTED, 3)}
    logger.info("%s", ", ".join(f"{name} {value:,g}" for name, value in counts.items()))
    if path is not None:
        with written(path) as temporary:
            temporary.write_text(json.dumps(counts, indent=1) + "\n")
