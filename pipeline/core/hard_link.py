"""A second name for a file instead of a second copy, where that is possible."""

import os
import shutil
from pathlib import Path

from pipeline.core.atomic import written
from pipeline.core.disk_space import require_space


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file systems or their rights refuse that.

    Raises:
        DiskFullError: a copy does not fit.
    """
    target.unlink(missing_ok=True)
    try:
        # Resolved: the link would otherwise be one to a symbolic link, not to the video.
        os.link(source.resolve(), target)
    except OSError:
        require_space(target.parent, source.stat().st_size)
        with written(target) as temporary:
            shutil.copyfile(source, temporary)
