"""The room that the stages will need, file system by file system, and the room that is free."""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.plan.figures import Step

OF_RESULTS = {"train", "evaluate", "report"}  # stages that write below `results`


@dataclass(frozen=True)
class Disk:
    """A file system.

    Attributes:
        folders: those of the build that lie on it.
    """

    folders: list[str]
    needed_bytes: float
    free_bytes: float

    @property
    def lacking_bytes(self) -> float:
        """What does not fit; 0 when there is room."""
        return max(0.0, self.needed_bytes - self.free_bytes)


def disks_of(steps: Sequence[Step], root: Path, dataset: str, has_cache: bool) -> list[Disk]:
    """Return the file systems of data, results and DVC's cache, links and mounts followed.

    Args:
        steps: the estimates of all stages.
        root: folder of `data`, `results` and `.dvc`.
        dataset: whose data it is.
        has_cache: whether DVC's cache will hold a copy of everything.
    """
    needed = {f"data/{dataset}": 0.0, f"results/{dataset}": 0.0}
    for step in steps:
        to_come = max(0.0, step.disk_bytes - step.there_bytes)
        needed[f"{'results' if step.stage in OF_RESULTS else 'data'}/{dataset}"] += to_come
    if has_cache:
        needed[".dvc/cache"] = sum(needed.values())
    disks: dict[int, list[str]] = {}
    for folder in needed:
        disks.setdefault(_device(root / folder), []).append(folder)
    return [
        Disk(
            folders,
            sum(needed[folder] for folder in folders),
            shutil.disk_usage(_existing(root / folders[0])).free,
        )
        for folders in disks.values()
    ]


def can_link(folder: Path, data: Path) -> bool:
    """Return whether files of a folder get a second name below `data` instead of a copy."""
    return folder.is_dir() and _device(folder) == _device(data)


def bytes_there(paths: Iterable[Path]) -> float:
    """Return the bytes of files and of folders, of a file with several names once."""
    sizes: dict[tuple[int, int], int] = {}
    for path in paths:
        inside = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
        for file in [path] if path.is_file() else inside:
            try:
                status = os.lstat(file)
            except FileNotFoundError:  # a job may be at work
                continue
            sizes[status.st_dev, status.st_ino] = status.st_size
    return float(sum(sizes.values()))


def _device(path: Path) -> int:
    return _existing(path).stat().st_dev


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there, links resolved first."""
    path = path.resolve()
    return next(each for each in (path, *path.parents) if each.exists())
