"""Average precision per action and its mean, from ranked detections.

AP is the area under the interpolated precision-recall curve (PASCAL VOC 2010 and later): each hit
adds the best precision reached at its recall or beyond, divided by the number of ground truth
boxes.
"""

from typing import Literal

import numpy as np

from pipeline.evaluation.annotated_keyframes import Bools, Floats, Ints
from pipeline.evaluation.matching import Matches
from pipeline.evaluation.protocols import Protocol
from pipeline.evaluation.tie_bounds import ranks_of_hits

Ties = Literal["defined", "best", "worst"]


def average_precision(hit: Bools, num_ground_truth: int) -> float:
    """Area under the interpolated precision-recall curve of one action.

    Args:
        hit: [N] whether each detection is a hit, best score first.
        num_ground_truth: ground truth boxes of the action; 0 gives NaN, which a mean leaves out.
    """
    return _area(np.flatnonzero(hit) + 1, num_ground_truth)


def _area(rank: Ints, num_ground_truth: int) -> float:
    """The same from the ranks of the hits alone (1 is the best detection)."""
    if num_ground_truth == 0:
        return float("nan")
    precision = np.arange(1, len(rank) + 1) / rank
    best_from_here = np.maximum.accumulate(precision[::-1])
    return float(best_from_here.sum() / num_ground_truth)


def per_class_ap(matches: Matches, rules: Protocol, ties: Ties = "defined") -> dict[int, float]:
    """AP by action id; NaN for an action without ground truth.

    Args:
        ties: in which order equal scores count: as `matching` defines it, or as suits the action
            best or worst, which bounds the AP over every possible order.
    """
    per_class = {}
    for position, rows in enumerate(matches.ranges()):
        undetected = rows.start == rows.stop and rules.skips_undetected
        num_ground_truth = 0 if undetected else int(matches.num_ground_truth[position].sum())
        rank = _ranks(matches, position, rows, ties)
        per_class[int(matches.action_ids[position])] = _area(rank, num_ground_truth)
    return per_class


def _ranks(matches: Matches, position: int, rows: slice, ties: Ties) -> Ints:
    hit = matches.hit[rows]
    if ties == "defined":
        return np.flatnonzero(hit) + 1
    changes = matches.at_limit[ties].of(position) if matches.at_limit else None
    return ranks_of_hits(hit, matches.score[rows], ties, changes)


def mean_ap(per_class: dict[int, float]) -> float:
    """Mean over the actions that have an AP; NaN when none has."""
    known = np.array([ap for ap in per_class.values() if not np.isnan(ap)], dtype=np.float64)
    return float(known.mean()) if len(known) else float("nan")


def precision_recall(hit: Bools, num_ground_truth: int) -> tuple[Floats, Floats]:
    """Recall and interpolated precision at each hit, for drawing; [hits] each."""
    rank = np.flatnonzero(hit) + 1
    count = np.arange(1, len(rank) + 1)
    precision = np.maximum.accumulate((count / rank)[::-1])[::-1]
    return count / max(num_ground_truth, 1), precision
