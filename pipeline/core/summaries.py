"""What one job did, in counts: a JSON file beside its log, which `record` mirrors to MLflow."""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from pipeline.core.atomic import written

logger = logging.getLogger(__name__)
_STARTED = time.monotonic()


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
