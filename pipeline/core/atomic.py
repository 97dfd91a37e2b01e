"""Outputs that appear complete or not at all: written beside, synced, renamed, or linked."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.disk_space import disk_named, require_space
from pipeline.core.locks import held_file, held_folder
from pipeline.core.own_files import clear_way


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes the name `path` when the block succeeds.

    While the block runs, other processes that want to write `path` wait.

    Raises:
        DiskFullError: there was no room; `path` is as it was.
        HeldError: another process is writing `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    with disk_named(path):
        clear_way(temporary)
        with held_file(temporary) as descriptor:
            os.ftruncate(descriptor, 0)
            try:
                yield temporary
                sync(temporary)
                temporary.replace(path)
            except BaseException:  # not later: then it may be the file of who waited for this one
                temporary.unlink(missing_ok=True)
                raise
    sync(path.parent)


@contextmanager
def written_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; it takes that name when the block succeeds.

    What `folder` held before is gone then. A kill between the two renames leaves no folder at all,
    never a mixture. Where `folder` is a link to a folder (on another disk), the latter is replaced.
    While the block runs, other processes that want to write `folder` wait.

    Raises:
        DiskFullError: there was no room; `folder` is as it was.
        HeldError: another process is writing `folder`.
    """
    folder = folder.resolve() if folder.is_symlink() else folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = (folder.with_name(f".{folder.name}.{word}") for word in ("part", "old"))
    clear_way(temporary, want_folder=True)
    with held_folder(temporary):
        for leftover in (*temporary.iterdir(), old):
            _remove(leftover)
        try:
            with disk_named(folder):
                yield temporary
                for path in temporary.rglob("*"):
                    if path.is_file():
                        sync(path)
                if folder.exists():
                    folder.replace(old)  # deleting takes time: a kill would leave half of it
                temporary.replace(folder)
        except BaseException:
            if old.exists() and not folder.exists():
                old.replace(folder)
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _remove(old)
    sync(folder.parent)


def _remove(path: Path) -> None:
    """Delete a file or a folder, but not what a link leads to."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


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
