"""Join ground truth, proposals and stored frames into one index per split, and say what is missing.

In: raw annotations, the reports of download, cut and extract, the frame store's index, proposals.
Out: index/<split>.parquet, coverage.csv, coverage_by_class.csv and coverage.md (see `merging.py`,
`coverage.py` and `coverage_page.py` of the annotations).
"""

from pathlib import Path

from pipeline.core.command import parser, run
from pipeline.core.summaries import write_summary


def main(argv: list[str] | None = None) -> None:
    flags = parser(__doc__)
    flags.add_argument("--raw", type=Path, required=True, help="folder of the raw annotations")
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--videos", type=Path, required=True, help="folder of download's reports")
    flags.add_argument("--cut", type=Path, required=True, help="folder of cut_clips' reports")
    flags.add_argument("--frames", type=Path, required=True, help="folder of the frame store")
    flags.add_argument("--proposals", type=Path, required=True, help="folder of the proposals")
    flags.add_argument("--index", type=Path, required=True, help="folder to write")
    flags.add_argument("--coverage", type=Path, required=True, help="table to write")
    args = flags.parse_args(argv)
    from pipeline.annotations.index_files import Inputs, merge_annotations
    from pipeline.settings.params import load_params

    inputs = Inputs(
        raw=args.raw,
        clips=args.clips,
        videos=args.videos,
        cut=args.cut,
        frames=args.frames,
        proposals=args.proposals,
    )
    counts = merge_annotations(
        inputs, index=args.index, coverage=args.coverage, params=load_params(args.params)
    )
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
