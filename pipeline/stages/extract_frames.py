"""Decode a shard's clips once and store their frames, 30 a second whatever the source's rate.

Outputs: a tar of JPEGs, its table, and a report with one row per clip (see
`frame_store.py`, `frame_reader.py` and `rgb.py` in `pipeline/video/`).
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.command import parser, run
from pipeline.core.summaries import write_summary

if TYPE_CHECKING:
    from pipeline.video.crash_guard import Guard


def main(argv: list[str] | None = None) -> None:
    """Extract one shard."""
    args = _parse(argv)
    from pipeline.video.crash_guard import guarded

    write_summary(args.summary, guarded(_extract_shard, args))


def _extract_shard(args: argparse.Namespace, guard: "Guard") -> dict[str, float]:
    """Extract in a process of its own, the only one that loads libraries."""
    from pipeline.settings.params import load_params
    from pipeline.video.shard_extraction import extract_shard

    return extract_shard(
        settings=load_params(args.params).extract_frames,
        clips=args.clips,
        cut=args.cut,
        cut_report=args.cut_report,
        tar=args.tar,
        index=args.index,
        report=args.report,
        guard=guard,
    )


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = parser(__doc__)
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--cut", type=Path, required=True, help="folder of the shard's cut clips")
    flags.add_argument("--cut-report", type=Path, required=True, help="table of those clips")
    flags.add_argument("--tar", type=Path, required=True, help="frames to write")
    flags.add_argument("--index", type=Path, required=True, help="table of the frames to write")
    flags.add_argument("--report", type=Path, required=True, help="table of the clips to write")
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
