"""Decode a shard's clips once and store their frames, 30 a second whatever the source's rate.

Outputs: a tar of JPEGs, its table, and a report with one row per clip (see
`frame_store.py`, `frame_reader.py` and `picture.py` in `pipeline/frames/`).
"""

import argparse
from pathlib import Path

from pipeline.command import parser, run
from pipeline.summaries import write_summary


def main(argv: list[str] | None = None) -> None:
    """Extract one shard."""
    args = _parse(argv)
    from pipeline.clips import read_clips
    from pipeline.frames.crash_guard import Guard, guarded
    from pipeline.frames.cut_table import read_cuts
    from pipeline.frames.frame_store import FrameStoreWriter
    from pipeline.frames.shard_extraction import (
        ClipReport,
        coders,
        extract_frames,
        write_reports,
    )
    from pipeline.params import load_params

    settings = load_params(args.params).extract_frames
    clips, cuts = read_clips(args.clips), read_cuts(args.cut_report)
    notes = {**coders(), "settings": settings.model_dump_json()}

    def extract(guard: Guard) -> list[ClipReport]:
        with FrameStoreWriter(args.tar, args.index, notes) as store:
            return extract_frames(clips, cuts, args.cut, store, settings, guard)

    reports = guarded(extract)
    write_reports(reports, args.report)
    write_summary(
        args.summary,
        {
            "clips": len(reports),
            "frames": sum(report.frames_stored for report in reports),
            "damaged": sum(report.status == "damaged" for report in reports),
            "short": sum(report.status == "short" for report in reports),
            "bytes": args.tar.stat().st_size,
        },
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
