"""Frame mAP at IoU 0.5: how a textbook writes it, then the form that millions of rows need.

Read `plain_mean_ap` from top to bottom: it says what the number is. The fast form gives the same
number (a test holds the two equal): `matching` finds the hits in columns instead of loops over
rows, and `average_precision` makes one class's AP of them.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeAlias

import numpy as np

from pipeline.evaluation.annotated_keyframes import Bools, Floats
from pipeline.evaluation.matching import HIT_IOU, Matches
from pipeline.evaluation.protocols import Protocol

Corners: TypeAlias = tuple[float, float, float, float]  # x1, y1, x2, y2, fractions of the frame

# --- the plain form -------------------------------------------------------------------------------


class Row(NamedTuple):
    """One line of a file: a person's box with one action; the ground truth's score is not used."""

    video: str
    second: float
    box: Corners
    action: int
    score: float = 1.0

    @property
    def keyframe(self) -> tuple[str, float]:
        return self.video, self.second


def plain_mean_ap(
    detections: Iterable[Row],
    ground_truth: Sequence[Row],
    actions: Collection[int],
    max_rows: int | None = None,
) -> tuple[float, dict[int, float]]:
    """Return mAP and the AP by action, row by row (the protocols `official` and `uncapped`).

    Args:
        detections: in any order; those of keyframes without ground truth do not count.
        ground_truth: boxes of other actions than `actions` count as keyframes only.
        actions: ids of the classes that count.
        max_rows: best rows of each keyframe that count; None for all.
    """
    keyframes = {row.keyframe for row in ground_truth}
    counted = [row for row in detections if row.action in actions and row.keyframe in keyframes]
    ranked = [row for row in best_rows(best_rows_first(counted), max_rows) if has_area(row.box)]
    per_class = {}
    for action in actions:
        persons = [row for row in ground_truth if row.action == action]
        hits = find_hits([row for row in ranked if row.action == action], persons)
        per_class[action] = plain_average_precision(hits, len(persons))
    return mean_ap(per_class), per_class


def best_rows_first(rows: Iterable[Row]) -> list[Row]:
    """Return rows by falling score; equal scores by keyframe, box and action."""
    return sorted(
        rows, key=lambda row: (-row.score, *row.keyframe, reading_order(row.box), row.action)
    )


def best_rows(ranked: Iterable[Row], max_rows: int | None) -> Iterator[Row]:
    """Yield the first `max_rows` rows of each keyframe."""
    used: dict[tuple[str, float], int] = {}
    for row in ranked:
        used[row.keyframe] = used.get(row.keyframe, 0) + 1
        if max_rows is None or used[row.keyframe] <= max_rows:
            yield row


def find_hits(ranked: Iterable[Row], persons: Sequence[Row]) -> list[bool]:
    """Return which detections of one action are hits.

    Each asks for the person of its keyframe that it overlaps best. It is a hit at an IoU of 0.5 or
    more, if no detection before it took that person; it never falls back to another person.
    """
    hits: list[bool] = []
    taken: set[int] = set()
    for row in ranked:
        here = [i for i, person in enumerate(persons) if person.keyframe == row.keyframe]
        best = min(
            here,
            key=lambda i: (-plain_iou(row.box, persons[i].box), reading_order(persons[i].box), i),
            default=None,
        )
        is_hit = best is not None and plain_iou(row.box, persons[best].box) >= HIT_IOU
        hits.append(is_hit and best not in taken)
        if is_hit and best is not None:
            taken.add(best)
    return hits


def plain_average_precision(hits: Sequence[bool], num_ground_truth: int) -> float:
    """Return the area under the interpolated precision-recall curve; NaN without ground truth.

    PASCAL VOC since 2010: each hit adds 1 / `num_ground_truth` of recall, at the best precision
    that is reached there or further down the list.
    """
    if not num_ground_truth:
        return math.nan
    precision = [found / rank for rank, found in enumerate(accumulate(map(int, hits)), start=1)]
    best_from = list(accumulate(reversed(precision), max))[::-1]
    return sum(best for best, hit in zip(best_from, hits, strict=True) if hit) / num_ground_truth


def plain_iou(a: Corners, b: Corners) -> float:
    """Return the area that two boxes share over the area that they cover together."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (areas - width * height)


def has_area(box: Corners) -> bool:
    return box[2] > box[0] and box[3] > box[1]


def reading_order(box: Corners) -> Corners:
    """Return the key that sorts boxes from the top left: y1, x1, y2, x2."""
    return box[1], box[0], box[3], box[2]


def mean_ap(per_class: dict[int, float]) -> float:
    """Return the mean over the actions that have an AP; NaN when none has."""
    known = np.array([ap for ap in per_class.values() if not np.isnan(ap)], dtype=np.float64)
    return float(known.mean()) if len(known) else float("nan")


# --- the fast form --------------------------------------------------------------------------------


def average_precision(hit: Bools, num_ground_truth: int) -> float:
    """Return what `plain_average_precision` returns.

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


def precision_recall(hit: Bools, num_ground_truth: int) -> tuple[Floats, Floats]:
    """Return recall and interpolated precision at each hit, for drawing; [hits] each."""
    rank = np.flatnonzero(hit) + 1
    count = np.arange(1, len(rank) + 1)
    precision = np.maximum.accumulate((count / rank)[::-1])[::-1]
    return count / max(num_ground_truth, 1), precision
