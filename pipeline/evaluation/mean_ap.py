"""Average precision per action and its mean, from ranked detections.

AP is the area under the interpolated precision-recall curve (PASCAL VOC 2010 and later): each hit
adds the best precision reached at its recall or beyond, divided by the number of ground truth
boxes.
"""

import numpy as np

from pipeline.evaluation.annotated_keyframes import Bools, Floats
from pipeline.evaluation.matching import Matches
from pipeline.evaluation.protocols import Protocol


def average_precision(hit: Bools, num_ground_truth: int) -> float:
    """Return the area under the interpolated precision-recall curve of one action.

    Args:
        hit: [N] whether each detection is a hit, best score first.
        num_ground_truth: ground truth boxes of the action; 0 gives NaN, which a mean leaves out.
    """
    if num_ground_truth == 0:
        return float("nan")
    rank = np.flatnonzero(hit) + 1
    precision = np.arange(1, len(rank) + 1) / rank
    best_from_here = np.maximum.accumulate(precision[::-1])
    return float(best_from_here.sum() / num_ground_truth)


def per_class_ap(matches: Matches, rules: Protocol) -> dict[int, float]:
    """Return the AP by action id; NaN for an action without ground truth."""
    per_class = {}
    for position, rows in enumerate(matches.ranges()):
        undetected = rows.start == rows.stop and rules.skips_undetected
        num_ground_truth = 0 if undetected else int(matches.num_ground_truth[position].sum())
        ap = average_precision(matches.hit[rows], num_ground_truth)
        per_class[int(matches.action_ids[position])] = ap
    return per_class


def mean_ap(per_class: dict[int, float]) -> float:
    """Return the mean over the actions that have an AP; NaN when none has."""
    known = np.array([ap for ap in per_class.values() if not np.isnan(ap)], dtype=np.float64)
    return float(known.mean()) if len(known) else float("nan")


def precision_recall(hit: Bools, num_ground_truth: int) -> tuple[Floats, Floats]:
    """Return recall and interpolated precision at each hit, for drawing; [hits] each."""
    rank = np.flatnonzero(hit) + 1
    count = np.arange(1, len(rank) + 1)
    precision = np.maximum.accumulate((count / rank)[::-1])[::-1]
    return count / max(num_ground_truth, 1), precision
