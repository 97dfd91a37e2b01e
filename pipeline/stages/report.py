"""Gather the table, the figures and the page from what every variant left."""

import argparse
from pathlib import Path

from pipeline.core.command import parser, run
from pipeline.core.summaries import write_summary


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    from pipeline.report.files import make_report
    from pipeline.settings.params import load_params

    counts = make_report(
        params=load_params(args.params),
        results=args.results,
        raw=args.raw,
        index=args.index,
        frames=args.frames,
        coverage=args.coverage,
        out=args.out,
        metrics=args.metrics,
    )
    write_summary(args.summary, counts)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = parser(__doc__)
    flags.add_argument("--results", type=Path, required=True, help="has variants/<variant>/")
    flags.add_argument("--raw", type=Path, required=True, help="folder of the annotation files")
    flags.add_argument("--index", type=Path, required=True, help="folder of the keyframe indexes")
    flags.add_argument("--frames", type=Path, required=True, help="folder of the stored frames")
    flags.add_argument("--coverage", type=Path, required=True, help="coverage.csv")
    flags.add_argument("--out", type=Path, required=True, help="folder of the report")
    flags.add_argument("--metrics", type=Path, required=True, help="JSON of all variants to write")
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
