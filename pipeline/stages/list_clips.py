"""List the clips that the study needs, and the frames of each that some variant reads.

In: the raw annotations. Out: the clip table (`pipeline/clips.py`).
"""

from pathlib import Path

from pipeline.core.command import parser, run
from pipeline.core.summaries import write_summary


def main(argv: list[str] | None = None) -> None:
    flags = parser(__doc__)
    flags.add_argument("--raw", type=Path, required=True, help="folder of the raw annotations")
    flags.add_argument("--clips", type=Path, required=True, help="the table to write")
    args = flags.parse_args(argv)
    from pipeline.annotations.dataset_clips import list_clips
    from pipeline.settings.params import load_params

    counts = list_clips(raw=args.raw, clips=args.clips, params=load_params(args.params))
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
