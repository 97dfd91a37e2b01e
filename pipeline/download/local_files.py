"""Videos that lie on this machine already."""

from pathlib import Path

from pipeline.core.hard_link import link_or_copy
from pipeline.download.transfer import Transferred, hash_file
from pipeline.download.transfer_error import TransferError


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
