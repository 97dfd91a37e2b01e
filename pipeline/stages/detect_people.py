"""Detect the persons of a split's keyframes, where no proposals are published.

In: raw annotations, the clip table, stored frames. Out: proposals/<split>.parquet
(`pipeline/people/proposals.py`), and beside it .<split>.parquet.<subset>.partial: what the
detector has found, some 0.4 kB a keyframe. A killed job, or one with other clips, goes on from it.
"""

from pathlib import Path

from pipeline.core.command import add_lock_flags, parser, run
from pipeline.core.summaries import write_summary


def main(argv: list[str] | None = None) -> None:
    flags = parser(__doc__)
    flags.add_argument("--raw", type=Path, required=True, help="folder of the raw annotations")
    flags.add_argument("--frames", type=Path, required=True, help="folder of the frame store")
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--split", required=True, help="which split's keyframes")
    flags.add_argument("--proposals", type=Path, required=True, help="the file to write")
    add_lock_flags(flags)
    args = flags.parse_args(argv)
    from pipeline.core.source_code import code_digest
    from pipeline.download.data_lock import open_lock
    from pipeline.people.person_boxes import detect_people
    from pipeline.settings.params import load_params

    params = load_params(args.params)
    if args.split not in params.splits:
        raise ValueError(f"--split: found {args.split!r}, expected one of {params.splits}")
    lock = open_lock(args.lock, args.accept_changed)
    counts = detect_people(
        raw=args.raw,
        frames=args.frames,
        clips=args.clips,
        split=args.split,
        proposals=args.proposals,
        params=params,
        lock=lock,
        code=code_digest("detect_people"),
    )
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
