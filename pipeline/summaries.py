"""What one job did, in counts: a JSON file beside its log, mirrored to MLflow later."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from pipeline.atomic import written

logger = logging.getLogger(__name__)


def write_summary(path: Path | None, counts: Mapping[str, float]) -> None:
    """Log the counts and, when a path is given, write them as JSON.

    Args:
        counts: name to number; names carry their unit (`bytes`, `seconds`, `clips`).
    """
    logger.info("%s", ", ".join(f"{name} {value:,g}" for name, value in counts.items()))
    if path is not None:
        with written(path) as temporary:
            temporary.write_text(json.dumps(dict(counts), indent=1) + "\n")
