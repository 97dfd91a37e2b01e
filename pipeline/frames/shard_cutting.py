"""Cut what some variant looks at out of every video of a shard."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.atomic import written_folder
from pipeline.clips import is_safe_name, parse_windows, read_clips
from pipeline.frames.crash_guard import Guard
from pipeline.frames.cut_table import Cut, write_cuts
from pipeline.frames.cutting import cut_clip
from pipeline.progress import track

logger = logging.getLogger(__name__)


def cut_shard(args: argparse.Namespace, guard: Guard) -> dict[str, float]:
    """Cut what the flags of the stage name, write its table, and return counts."""
    downloaded = _read_downloaded(args.videos, args.downloaded)
    cuts = cut_clips(read_clips(args.clips), downloaded, args.cut, guard)
    write_cuts(cuts, args.report)
    return {
        "clips": len(cuts),
        "damaged": sum(row.status == "damaged" for row in cuts),
        "bytes": sum(row.bytes for row in cuts),
    }


def cut_clips(clips: pd.DataFrame, downloaded: pd.DataFrame, cut: Path, guard: Guard) -> list[Cut]:
    """Cut every video that was downloaded.

    Args:
        clips: the clip table.
        downloaded: the shard's rows of `clip`, `path`, `status`, and `offset_seconds`, where the
            clip starts inside its file.
        cut: folder for the cut files; it is replaced as a whole.
        guard: hears of each clip before it is touched.

    Returns: one row per downloaded video, ordered by clip.
    """
    windows = dict(zip(clips["clip"], clips["windows"], strict=True))
    there = downloaded[downloaded["status"] == "ok"].sort_values("clip")
    cuts = []
    with written_folder(cut) as folder:
        columns = (there[name] for name in ("clip", "path", "offset_seconds"))
        for clip, path, offset in track(list(zip(*columns, strict=True)), "cut clips", unit="clip"):
            if clip not in windows or not is_safe_name(clip):
                raise ValueError(f"downloaded clip {clip!r}: found no such name in the clip table")
            if stretches := parse_windows(windows[clip]):
                if crash := guard.begin(clip):
                    cuts.append(Cut(clip, status="damaged", reason=crash))
                else:
                    cuts.append(cut_clip(Path(path), folder, clip, stretches, float(offset)))
                if cuts[-1].reason:
                    logger.warning("%s: %s", clip, cuts[-1].reason)
    return cuts


def _read_downloaded(videos: Sequence[Path], tables: Sequence[Path]) -> pd.DataFrame:
    """The rows of all rounds, with whole paths; no clip is there in two rounds.

    Raises:
        ValueError: a table without its folder.
    """
    text = dict.fromkeys(("clip", "path", "status", "offset_seconds"), "str")
    rounds = []
    for folder, path in zip(videos, tables, strict=True):
        if not folder.is_dir():
            raise ValueError(
                f"{folder}: found no folder, expected the videos of {path}; "
                "without that table they are downloaded again"
            )
        table = pd.read_csv(path, dtype=text, keep_default_na=False)
        rounds.append(table.assign(path=f"{folder}/" + table["path"]))
    return pd.concat(rounds, ignore_index=True)
