"""Outputs that appear complete or not at all: written beside, synced, renamed."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.core.disk_space import NO_ROOM, DiskFullError

_PROBE_BYTES = 1 << 16


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the name `path` when the block succeeds.

    Raises:
        DiskFullError: there was no room; `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with named_when_full(path):
            try:
                yield temporary
            except RuntimeError as error:
                # Torch's writer says that a write failed, but not why.
                if _takes_more(temporary):
                    raise
                raise _full(path) from error
            sync(temporary)
            temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    sync(path.parent)


@contextmanager
def written_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; it takes that name when the block succeeds.

    What `folder` held before is gone then. A kill between the two renames leaves no folder at all,
    never a mixture.

    Raises:
        DiskFullError: there was no room; `folder` is as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = (folder.with_name(f".{folder.name}.{word}") for word in ("part", "old"))
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir()
    try:
        with named_when_full(folder):
            yield temporary
            for path in temporary.rglob("*"):
                if path.is_file():
                    sync(path)
            if folder.exists():
                folder.replace(old)  # deleting takes time, in which a kill would leave half of it
            temporary.replace(folder)
    finally:
        if old.exists() and not folder.exists():
            old.replace(folder)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Force a file's bytes, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def named_when_full(path: Path) -> Iterator[None]:
    """Say what there was no room for, where the system says only that there was none."""
    try:
        yield
    except DiskFullError:
        raise
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise _full(path) from error


def _full(path: Path) -> DiskFullError:
    said = "disk is full: no space left to write this; make room and run again"
    return DiskFullError(errno.ENOSPC, said, str(path))


def _takes_more(path: Path) -> bool:
    try:
        with path.open("ab") as file:
            file.write(b"\0" * _PROBE_BYTES)
    except OSError as error:
        return error.errno not in NO_ROOM
    return True
