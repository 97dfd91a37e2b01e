"""Cut what some variant looks at out of every video of a shard."""

import argparse
import csv
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.atomic import written_folder
from pipeline.clips import is_safe_name, parse_windows, read_windows
from pipeline.frames.crash_guard import Guard
from pipeline.frames.cut_table import Cut, write_cuts
from pipeline.frames.cutting import cut_clip
from pipeline.progress import track

logger = logging.getLogger(__name__)

Downloaded = tuple[str, Path, float]  # clip, its video, at which second of it the clip starts


def cut_shard(args: argparse.Namespace, guard: Guard) -> dict[str, float]:
    """Cut what the flags of the stage name, write its table, and return counts."""
    downloaded = _read_downloaded(args.videos, args.downloaded)
    cuts = cut_clips(read_windows(args.clips), downloaded, args.cut, guard)
    write_cuts(cuts, args.report)
    return {
        "clips": len(cuts),
        "damaged": sum(row.status == "damaged" for row in cuts),
        "bytes": sum(row.bytes for row in cuts),
    }


def cut_clips(
    windows: Mapping[str, str], downloaded: Iterable[Downloaded], cut: Path, guard: Guard
) -> list[Cut]:
    """Cut every video that was downloaded.

    Args:
        windows: clip to its windows, as the clip table has them.
        downloaded: the shard's videos.
        cut: folder for the cut files; it is replaced as a whole.
        guard: hears of each clip before it is touched.

    Returns: one row per downloaded video, ordered by clip.
    """
    cuts = []
    with written_folder(cut) as folder:
        for clip, video, offset_seconds in track(sorted(downloaded), "cut clips", unit="clip"):
            if clip not in windows or not is_safe_name(clip):
                raise ValueError(f"downloaded clip {clip!r}: found no such name in the clip table")
            if stretches := parse_windows(windows[clip]):
                if crash := guard.begin(clip):
                    cuts.append(Cut(clip, status="damaged", reason=crash))
                else:
                    cuts.append(cut_clip(video, folder, clip, stretches, offset_seconds))
                if cuts[-1].reason:
                    logger.warning("%s: %s", clip, cuts[-1].reason)
    return cuts


def _read_downloaded(videos: Sequence[Path], tables: Sequence[Path]) -> list[Downloaded]:
    """The videos that are there, of the tables of all rounds; no clip is there in two of them.

    Args:
        videos: a folder for each table.

    Raises:
        ValueError: a table without its folder.
    """
    found = []
    for folder, path in zip(videos, tables, strict=True):
        if not folder.is_dir():
            raise ValueError(
                f"{folder}: found no folder, expected the videos of {path}; "
                "without that table they are downloaded again"
            )
        with path.open(encoding="utf-8", newline="") as file:
            found += [
                (row["clip"], folder / row["path"], float(row["offset_seconds"]))
                for row in csv.DictReader(file)
                if row["status"] == "ok"
            ]
    return found
