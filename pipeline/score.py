"""Score anyone's detections against AVA-format ground truth: frame mAP at IoU 0.5."""

import argparse
import json
import sys
from pathlib import Path

from pipeline.core.atomic import written
from pipeline.core.command import run
from pipeline.evaluation.protocols import PROTOCOLS


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    from pipeline.evaluation.file_scores import report_of, score_files, summary_of

    scores = score_files(
        args.ground_truth, args.detections, args.labels, args.exclusions, args.protocol, args.split
    )
    report = report_of(scores, args.protocol, args.bootstrap)
    if args.out is not None:
        with written(args.out) as temporary:
            temporary.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    sys.stdout.write(summary_of(scores, report))


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = argparse.ArgumentParser(prog="python -m pipeline.score", description=__doc__)
    flags.add_argument("--ground-truth", type=Path, required=True, help="AVA csv; may be .gz")
    flags.add_argument(
        "--detections", type=Path, required=True, help="AVA csv, .csv.gz or detections.parquet"
    )
    flags.add_argument("--labels", type=Path, required=True, help="pbtxt of the classes that count")
    flags.add_argument("--exclusions", type=Path, help="csv of keyframes that do not count")
    flags.add_argument("--protocol", choices=PROTOCOLS, default="official", help="whose rules")
    flags.add_argument("--split", help="rows of a parquet file that holds several splits")
    flags.add_argument(
        "--bootstrap", type=_whole, default=0, metavar="N", help="resamples behind an interval"
    )
    flags.add_argument("--out", type=Path, help="where to write the result as JSON")
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
