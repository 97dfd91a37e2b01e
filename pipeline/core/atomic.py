"""Outputs that appear complete or not at all: written beside, synced, renamed, or linked."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.disk_space import disk_named, require_space


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the name `path` when the block succeeds.

    Raises:
        DiskFullError: there was no room; `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with disk_named(path):
            yield temporary
            sync(temporary)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
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
        with disk_named(folder):
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
