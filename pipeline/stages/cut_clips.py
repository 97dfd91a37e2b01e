"""Cut the seconds that some variant looks at out of a shard's videos, without encoding them anew.

Next to the cut files stands a table with one row per video (see `pipeline/video/cut_table.py`).
A damaged video is cut as far as it goes; what is no video gets a row with the reason.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.command import parser, run
from pipeline.core.summaries import write_summary

if TYPE_CHECKING:
    from pipeline.video.crash_guard import Guard


def main(argv: list[str] | None = None) -> None:
    """Cut one shard."""
    args = _parse(argv)
    from pipeline.video.crash_guard import guarded

    write_summary(args.summary, guarded(_cut_shard, args))


def _cut_shard(args: argparse.Namespace, guard: "Guard") -> dict[str, float]:
    """Cut in a process of its own, the only one that loads libraries."""
    from pipeline.video.shard_cutting import cut_shard

    return cut_shard(
        clips=args.clips,
        videos=args.videos,
        downloaded=args.downloaded,
        cut=args.cut,
        report=args.report,
        guard=guard,
    )


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = parser(__doc__)
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--shard", required=True, help="the shard's name, for the log")
    several: dict[str, Any] = {"type": Path, "nargs": "+", "required": True}
    flags.add_argument("--videos", **several, help="folders of the shard's videos")
    flags.add_argument("--downloaded", **several, help="table of each of them")
    flags.add_argument("--cut", type=Path, required=True, help="folder to write the clips to")
    flags.add_argument("--report", type=Path, required=True, help="table of the clips to write")
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
