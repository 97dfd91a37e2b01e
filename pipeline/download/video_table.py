"""The table of a download job, `videos/<job>.csv`: a row for every clip that the job answers for.

It says where the clip's file came from, or why there is none.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.core.atomic import written
from pipeline.download.journal import Fetched
from pipeline.video.downloaded_table import COLUMNS, read_videos


def write_videos(
    path: Path,
    fetched: Iterable[Fetched],
    reasons: Mapping[str, str],
    offsets: Mapping[str, float],
) -> None:
    """Write the table sorted by clip; equal outcomes give equal bytes.

    Args:
        reasons: clip to why there is no file.
        offsets: clip to where it starts in its file, for files that do not say it themselves.
    """
    rows = [_found(row, offsets) for row in fetched]
    rows += [(clip, "", "missing", "0", "", "", "", why) for clip, why in reasons.items()]
    with written(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(sorted(rows))


def clips_there(paths: Iterable[Path]) -> set[str]:
    """Return the clips that some of these tables have a file of.

    Raises:
        ValueError: a table without the columns that tell it.
    """
    there = set()
    for path in paths:
        there |= {row["clip"] for row in read_videos(path) if row["status"] == "ok"}
    return there


def _found(row: Fetched, offsets: Mapping[str, float]) -> tuple[str, ...]:
    offset = offsets[row.clip] if row.offset_seconds is None else row.offset_seconds
    file = Path(row.path).name, "ok", str(row.bytes), row.sha256
    return row.clip, *file, row.source, str(float(offset)), ""
