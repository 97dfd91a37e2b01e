"""Say that a disk is full, and before it is full where possible."""

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
    """Raise a DiskFullError that says what is missing unless `folder` has room for `num_bytes`."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise _full(folder, f"{_amount(num_bytes)} needed, {_amount(free)} free")


@contextmanager
def disk_named(path: Path) -> Iterator[None]:
    """Name what there was no room for, where the system only says that there was none."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM or isinstance(error, DiskFullError):
            raise
        raise _full(path, "no space left") from error


def _full(path: Path, found: str) -> DiskFullError:
    said = f"disk is full: {found}; make room and run again"
    return DiskFullError(errno.ENOSPC, said, str(path))


def _amount(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.3g} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.3g} MB"
