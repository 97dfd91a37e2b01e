"""Locks between processes: one writer for each file and folder, one Snakemake's stale lock cleared.

The system itself releases these locks when a process ends, however it ends.
"""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.own_files import open_plain

if TYPE_CHECKING:
    from filelock import ReadWriteLock

logger = logging.getLogger(__name__)

WAIT_SECONDS = 60.0  # an orphan ends within a second; what holds longer is at work
POLL_SECONDS = 0.05
# Some network file systems lock no folders, or nothing.
UNSUPPORTED = (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


class HeldError(OSError):
    """Another process is writing this file or folder."""


@contextmanager
def held_file(path: Path, wait_seconds: float | None = None) -> Iterator[int]:
    """Hold a file of our own for writing; yield its descriptor, open for reading and appending.

    The lock is on the file itself, which leaves no other file behind. A file that is not there is
    created. Nothing is followed: whoever replaces the file by a link meanwhile is noticed.

    Raises:
        HeldError: another process has it for longer than `wait_seconds`, by default a minute.
        NotAFileError: a link, a pipe, a device or a folder lies there.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with _locked(path, flags, wait_seconds) as descriptor:
        yield descriptor


@contextmanager
def held_folder(path: Path, wait_seconds: float | None = None) -> Iterator[None]:
    """Hold a folder for writing, as `held_file` does a file; it is created if it is not there."""
    with _locked(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, wait_seconds):
        yield


def clear_stale_lock(folder: Path) -> "ReadWriteLock":
    """Remove `folder`/locks/* unless another Snakemake is alive in this folder.

    Every Snakemake holds a shared lock for as long as it lives; the system drops it even after
    `kill -9`. Whoever can get it exclusively is therefore alone, and locks it finds are stale.

    Args:
        folder: Snakemake's own folder, `.snakemake`.

    Returns: the lock, held as one of many; keep it.
    """
    from filelock import ReadWriteLock, Timeout  # here: light jobs start without it

    folder.mkdir(exist_ok=True)
    alive = ReadWriteLock(folder / "alive.db", is_singleton=False)
    try:
        with alive.write_lock(blocking=False):
            for lock in (folder / "locks").glob("*"):
                lock.unlink()
    except Timeout:
        pass
    alive.acquire_read()
    return alive


@contextmanager
def _locked(path: Path, flags: int, wait_seconds: float | None) -> Iterator[int]:
    """Open and lock what lies at `path`, and make sure that it still lies there afterwards."""
    until = time.monotonic() + (WAIT_SECONDS if wait_seconds is None else wait_seconds)
    while True:
        if flags & os.O_DIRECTORY:
            path.mkdir(parents=True, exist_ok=True)
        descriptor = open_plain(path, flags)
        try:
            _lock(descriptor, path, until)
            if _is_at(path, descriptor):  # else its writer has just renamed it, or deleted it
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, path: Path, until: float) -> None:
    said = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                found = "another process is writing it; end that one, or wait for it"
                raise HeldError(errno.EBUSY, found, str(path)) from None
        except OSError as error:
            if error.errno in UNSUPPORTED:
                return
            raise
        if not said:
            logger.info("%s: another process is writing it, waiting", path)
        said = True
        time.sleep(POLL_SECONDS)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
