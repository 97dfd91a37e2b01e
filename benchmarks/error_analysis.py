"""CPU time of the error analysis, as a multiple of scoring the same detections once.

    python benchmarks/error_analysis.py --ground-truth T.csv --detections D.csv --labels L.pbtxt

The analysis scores the detections three times over (by size, by people, with perfect boxes), so its
floor is about three; what lies above is the work on boxes.
"""

import argparse
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.annotations.ava_csv import read_detections, read_exclusions, read_ground_truth
from pipeline.annotations.class_list import read_class_list
from pipeline.evaluation.errors import PROTOCOL, analyse_errors
from pipeline.evaluation.metrics import score_available
from pipeline.evaluation.splits import SplitTables

T = TypeVar("T")


def measured(call: Callable[[], T]) -> tuple[T, float]:
    """Return what a call returns, and its CPU seconds in all threads."""
    before = os.times()
    result = call()
    after = os.times()
    return result, after.user + after.system - before.user - before.system


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    for name in ("ground_truth", "detections", "labels"):
        flags.add_argument(f"--{name}", type=Path, required=True)
    args = flags.parse_args()
    classes = read_class_list(args.labels)
    ground_truth = read_ground_truth(args.ground_truth)
    index = ground_truth[["video_id", "timestamp"]].drop_duplicates()
    tables = SplitTables(
        read_detections(args.detections), ground_truth, read_exclusions(None), index
    )

    whole, scoring = measured(lambda: score_available(tables, classes, PROTOCOL))
    found, analysing = measured(lambda: analyse_errors(tables, whole, classes))

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(  # noqa: T201  what was asked for
        f"{len(tables.detections):,} detections, {found.perfect_boxes.people:,} people: "
        f"analysis {analysing / scoring:.2f} x one scoring ({analysing:.1f} of {scoring:.1f} CPU s "
        f"in this run), peak {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
