"""Files that lie on this machine already: had without a second copy where that is possible."""

import os
import shutil
from pathlib import Path

from pipeline.atomic import written
from pipeline.disk_space import require_space
from pipeline.transfers.transfer import Transferred, hash_file
from pipeline.transfers.transfer_error import TransferError


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


def take_local(source: Path, target: Path) -> Transferred:
    """Have a local file in the working folder, without a second copy where that is possible."""
    try:
        there = hash_file(source)
    except OSError as error:
        raise TransferError(f"cannot be read: {error.strerror}", permanent=True) from error
    if not there.bytes:
        raise TransferError("empty file", permanent=True)
    link_or_copy(source, target)
    return there
