"""The table of cut clips, `clips/<shard>.csv`: what a cut file alone would not tell.

`cut_clips` writes it, `extract_frames` follows it. What the download cuts has such rows, too.
"""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pipeline.clips import is_safe_name
from pipeline.core.atomic import written
from pipeline.core.tables import MAKE_ANEW, read_table
from pipeline.video.look import Look

# In a folder of videos: the rows of those that were cut when they came.
CUTS = "cuts.csv"


@dataclass(frozen=True)
class Cut:
    """One clip's row. All times are file times of the cut file, in seconds.

    Attributes:
        path: file name below the shard's folder; empty when nothing could be cut.
        status: "ok" or "damaged" (then `reason` says how; there may still be a path).
        zero_seconds: when the clip starts.
        shown_from_seconds, shown_until_seconds: frames outside serve decoding only; also when
            the last frame leaves the screen.
        joins: numbers of the packets (from 0) that do not follow on from the one before them.
        timing: "pts", or "order": the file's times are right but attached to the wrong frames.
        mirrored, rotation_degrees: how to show it upright: first mirror left to right, then turn
            clockwise.
        matrix, full_range, transfer: how YCbCr was made from light, see `Look`.
        reason: damage, or a note on what was unusual.
        windows: what was asked for, as the clip table has it.
    """

    clip: str
    path: str = ""
    status: str = "ok"
    zero_seconds: float = 0.0
    shown_from_seconds: float = float("-inf")
    shown_until_seconds: float = float("inf")
    joins: str = ""
    timing: str = "pts"
    rotation_degrees: int = 0
    mirrored: int = 0
    matrix: str = "bt601"
    full_range: int = 0
    transfer: str = "sdr"
    bytes: int = 0
    reason: str = ""
    windows: str = ""

    @property
    def join_numbers(self) -> frozenset[int]:
        return frozenset(int(number) for number in self.joins.split())

    @property
    def look(self) -> Look:
        return Look(
            self.rotation_degrees,
            bool(self.mirrored),
            self.matrix,
            bool(self.full_range),
            self.transfer,
        )


def write_cuts(cuts: Iterable[Cut], path: Path) -> None:
    """Write the rows in the order of their clips; equal rows give equal bytes."""
    with written(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Cut)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(cut) for cut in sorted(cuts, key=lambda cut: cut.clip))


def read_cuts(path: Path) -> list[Cut]:
    """Read the rows.

    Raises:
        ValueError: not such a table.
    """
    kinds = {name: type(default) for name, default in asdict(Cut("")).items()}
    cuts = [Cut(**row) for row in read_table(path, kinds)]
    for cut in cuts:
        for name in filter(None, (cut.clip, cut.path)):
            if not is_safe_name(name):
                raise ValueError(f"{path}: found {name[:80]!r}, expected a file name; {MAKE_ANEW}")
    return cuts
