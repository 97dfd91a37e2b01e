"""Cut what came out of archives to the seconds that some variant looks at.

Done while an archive is still being read, some clips at a time, so that the disk never holds all
of them whole. A cut file is the one that `cut_clips` would make, and its row comes along.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.atomic import sync
from pipeline.core.disk_space import disk_named
from pipeline.download.journal import CutMember, Fetched
from pipeline.download.transfer import hash_file
from pipeline.video.crash_guard import Guard, guarded

if TYPE_CHECKING:
    from pipeline.video.cut_table import Cut

# Raised when equal videos come to give other cut files: earlier ones are then not used any more.
CUT_VERSION = 2
AT_ONCE_BYTES = 128 << 20  # of clips that wait whole on the disk, for an archive


@dataclass(frozen=True)
class Interval:
    """What is wanted of a clip.

    Attributes:
        windows: stored frames, as the clip table has them.
        offset_seconds: where the clip starts inside its file.
    """

    windows: str
    offset_seconds: float


@dataclass(frozen=True)
class MemberCutter:
    """Knows what to cut out of which clip.

    Attributes:
        intervals: by clip.
        whole: archives whose clips stay as they are.
    """

    intervals: Mapping[str, Interval]
    whole: frozenset[str] = frozenset()

    def is_waiting(self, row: Fetched) -> bool:
        """Return whether a file out of an archive is to be cut."""
        return row.cut is None and self._interval(row) is not None

    def fits(self, row: Fetched) -> bool:
        """Return whether a file serves what is wanted now: a cut one has nothing else."""
        if row.cut is None:
            return True
        cut, interval = row.cut, self._interval(row)
        have = Interval(cut.row.windows, cut.offset_seconds)
        return have == interval and cut.version == CUT_VERSION

    def cut(self, folder: Path, rows: Sequence[Fetched]) -> list[Fetched]:
        """Cut clips; the members themselves still lie beside the cut files afterwards.

        Args:
            folder: the working folder.
            rows: clips of one archive that are waiting.

        Returns: rows of the cut files. Of a member of which nothing can be cut there is none.
        """
        if not rows:
            return []
        archive_folder = (folder / rows[0].path).parent
        cuts_folder = archive_folder / "cut"
        cuts_folder.mkdir(exist_ok=True)
        task = [(folder / row.path, row.clip, self.intervals[row.clip]) for row in rows]
        with disk_named(archive_folder):
            cuts = guarded(_cut, (cuts_folder, task))
        return [
            self._take(folder, row, cuts_folder / cut.path, cut)
            for row, cut in zip(rows, cuts, strict=True)
            if cut.path
        ]

    def _take(self, folder: Path, row: Fetched, made: Path, cut: "Cut") -> Fetched:
        path = Path(row.path).with_name(cut.path)
        sync(made)
        made.replace(folder / path)
        made.unlink(missing_ok=True)  # two names of one file: renaming did nothing
        file, offset = hash_file(folder / path), self.intervals[row.clip].offset_seconds
        member = CutMember(row.bytes, row.sha256, offset, CUT_VERSION, cut)
        return replace(row, path=str(path), bytes=file.bytes, sha256=file.sha256, cut=member)

    def _interval(self, row: Fetched) -> Interval | None:
        interval = self.intervals.get(row.clip)
        if row.source in self.whole or interval is None or not interval.windows:
            return None
        return interval


def _cut(task: tuple[Path, Iterable[tuple[Path, str, Interval]]], guard: Guard) -> list["Cut"]:
    """In a process of its own, which alone loads the decoder."""
    from pipeline.video.shard_cutting import cut_guarded

    folder, members = task
    return [
        cut_guarded(guard, path, folder, clip, interval.windows, interval.offset_seconds)
        for path, clip, interval in members
    ]
