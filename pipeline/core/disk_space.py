"""Whether the disk has room for what is coming, said before the disk is full where possible."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # none, none within the quota or the limit
CHECK_EVERY_BYTES = 64 << 20  # others write to the same disk meanwhile


class DiskFullError(OSError):
    """No room, in words for the user."""


def require_space(folder: Path, num_bytes: int) -> None:
    """DiskFullError that says what is missing unless the disk of `folder` holds so much more."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise _full(folder, f"{_amount(num_bytes)} needed, {_amount(free)} free")


@contextmanager
def disk_named(folder: Path) -> Iterator[None]:
    """Say which disk is full, and what to do, where the system only says that one is."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM or isinstance(error, DiskFullError):
            raise
        raise _full(folder, "no space left") from error


def _full(folder: Path, found: str) -> DiskFullError:
    said = f"disk is full: {found}; make room and run again: what has come is kept"
    return DiskFullError(errno.ENOSPC, said, str(folder))


def _amount(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.3g} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.3g} MB"
