"""Match detections with the ground truth at IoU 0.5, in columns instead of loops over rows.

A keyframe is a video id and a timestamp to the microsecond. Within a keyframe and an action every
detection asks for the one ground truth box it overlaps best; it is a hit when that IoU is at least
0.5 and no higher-ranked detection took the box before. It never falls back to another free box.

Order among equal scores decides the number, so it is defined by content, never by file order:
keyframe (video id, time), then box (y1, x1, y2, x2), all ascending. A NaN score ranks as infinity.
Where ground truth boxes tie in IoU, the first by (y1, x1, y2, x2) is the best one.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.annotations.csv_columns import row_error
from pipeline.evaluation.annotated_keyframes import (
    AnnotatedKeyframes,
    Bools,
    Floats,
    Ints,
    starts_of_runs,
)
from pipeline.evaluation.boxes import Boxes, count_by_video, select_boxes
from pipeline.evaluation.protocols import Protocol
from pipeline.evaluation.ranking import best_first, members_of_ties, within_limit

HIT_IOU = 0.5

Corners = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Matches:
    """The detections that count, ranked, and which of them are hits.  C actions  V videos  N rows

    Rows are sorted by action, then best first: all that average precision and its bootstrap need.
    """

    action_ids: Ints  # [C] ascending
    video_ids: npt.NDArray[np.object_]  # [V] of the ground truth, ascending
    num_ground_truth: Ints  # [C, V] ground truth boxes
    action: Ints  # [N] index into action_ids
    video: Ints  # [N] index into video_ids
    score: Floats  # [N]
    hit: Bools  # [N]
    counts: dict[str, int]  # rows used, and rows left out by reason

    def ranges(self) -> list[slice]:
        """Return the rows of each action, C slices."""
        ends = np.searchsorted(self.action, np.arange(len(self.action_ids) + 1))
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def match_detections(
    detections: pd.DataFrame,
    ground_truth: pd.DataFrame,
    exclusions: pd.DataFrame,
    classes: dict[int, str],
    rules: Protocol,
) -> Matches:
    """Rank the detections of the classes that count and find the hits.

    Args:
        detections: as `ava_csv.read_detections` gives them.
        ground_truth: as `ava_csv.read_ground_truth` gives it; its rows name what keyframes count.
        exclusions: keyframes that do not count, as `ava_csv.read_exclusions` gives them.
        classes: the actions that count.
        rules: an entry of `protocols.PROTOCOLS`.

    Raises:
        ValueError: file and row of a ground truth box with swapped corners where its action is
            detected (the originals die there), or of what the protocol does not take.
    """
    if rules.whole_seconds_with_people_only:
        _refuse_fractions_and_empty_keyframes(ground_truth, detections)
    action_ids = np.array(sorted(classes), dtype=np.int64)
    counted = ground_truth["action_id"].isin(action_ids)
    keyframes = AnnotatedKeyframes(
        ground_truth[counted] if rules.needs_counted_ground_truth else ground_truth
    )
    excluded = keyframes.is_excluded(exclusions)
    people, _ = select_boxes(ground_truth, keyframes, excluded, action_ids)
    found, counts = select_boxes(detections, keyframes, excluded, action_ids)
    found = replace(found, score=_comparable(found.score, rules))
    within, num_rows = _within_limit(found, rules), len(found)
    counts["rows_over_limit"] = num_rows - len(within)
    del found  # of a large file, most of its rows
    ranked, hit = _rank(within, people, rules, ground_truth, counts)
    if rules.counts_excluded_ground_truth:
        nothing = keyframes.is_excluded(ground_truth[:0])
        people, _ = select_boxes(ground_truth, keyframes, nothing, action_ids)
    counts["keyframes"] = int((~excluded[:-1]).sum())
    counts["ground_truth_boxes"] = len(people)
    return Matches(
        action_ids=action_ids,
        video_ids=keyframes.video_ids.to_numpy(dtype=object),
        num_ground_truth=count_by_video(people, keyframes, len(action_ids)),
        action=ranked.action,
        video=keyframes.video(ranked.keyframe),
        score=ranked.score,
        hit=hit,
        counts=counts,
    )


def _within_limit(found: Boxes, rules: Protocol) -> Boxes:
    return found if rules.max_rows is None else found.take(within_limit(found, rules.max_rows))


def _rank(
    found: Boxes, people: Boxes, rules: Protocol, ground_truth: pd.DataFrame, counts: dict[str, int]
) -> tuple[Boxes, Bools]:
    """Find hits and order what counts, as the scripts do: first the limit, then flat boxes go."""
    has_area = np.ones(len(found), dtype=bool) if rules.keeps_flat_boxes else found.has_area()
    counts["rows_used"] = int(has_area.sum())
    counts["rows_without_area"] = len(found) - counts["rows_used"]
    if not has_area.all():
        found = found.take(has_area)
    hit = _claims(found, _best_ground_truth(found, people, rules, ground_truth))
    return _best_first(found, hit, rules.reverses_keyframe_ties)


def _comparable(score: Floats, rules: Protocol) -> Floats:
    """Return scores as the protocol rounds them; NaN ranks as infinity."""
    unknown = np.isnan(score)
    score = np.where(unknown, np.inf, score) if unknown.any() else score
    if not rules.rounds_to_float32:
        return score
    with np.errstate(over="ignore"):
        return score.astype(np.float32).astype(np.float64)


def _best_ground_truth(
    found: Boxes, people: Boxes, rules: Protocol, ground_truth: pd.DataFrame
) -> Ints:
    """Return [N] index into `people` of the box each detection hits by IoU, -1 for none."""
    best = np.full(len(found), -1, dtype=np.int64)
    if len(found) == 0 or len(people) == 0:
        return best
    num_keyframes = 1 + int(max(found.keyframe.max(), people.keyframe.max()))
    num_actions = 1 + int(max(found.action.max(), people.action.max()))
    has_ground_truth = np.zeros((num_keyframes, num_actions), dtype=bool)
    has_ground_truth[people.keyframe, people.action] = True
    asking = np.flatnonzero(has_ground_truth[found.keyframe, found.action])
    found = found.take(asking)
    order = np.lexsort((*people.reading_order(), people.action, people.keyframe))
    group = (people.keyframe.astype(np.int64) * num_actions + people.action)[order]
    wanted = found.keyframe.astype(np.int64) * num_actions + found.action
    first = np.searchsorted(group, wanted)
    size = np.searchsorted(group, wanted, side="right") - first
    # One pair per detection and ground truth box of the same keyframe and action, detection by
    # detection.
    detection = np.repeat(np.arange(len(wanted)), size)
    start = np.cumsum(size) - size
    person = order[np.arange(len(detection)) - np.repeat(start - first, size)]
    _refuse_swapped_corners(people.take(person), ground_truth)
    number = np.float32 if rules.rounds_to_float32 else np.float64
    with np.errstate(over="ignore"):  # what is too large becomes infinity there, too
        overlap = iou(found.box(detection).astype(number), people.box(person).astype(number))
    if len(overlap):
        highest = np.repeat(np.maximum.reduceat(overlap, start), size)
        # Writing backwards leaves the first of equally good boxes.
        top = np.flatnonzero((overlap == highest) & (overlap >= HIT_IOU))[::-1]
        best[asking[detection[top]]] = person[top]
    return best


def _claims(found: Boxes, best: Ints) -> Bools:
    """Return [N] whether a detection is the first in rank to ask for its ground truth box."""
    asking = np.flatnonzero(best >= 0)
    rows = found.take(asking)
    claimed = best[asking]
    order = best_first(claimed, int(claimed.max(initial=0)) + 1, rows.score)
    same = starts_of_runs(claimed[order], rows.score[order])
    tied = members_of_ties(same, len(order))
    run = np.repeat(np.arange(len(same)), np.diff(same, append=len(order)))[tied]
    keys = (*rows.reading_order(order[tied]), run)
    order[tied] = order[tied][np.lexsort(keys)]
    hit = np.zeros(len(best), dtype=bool)
    hit[asking[order[starts_of_runs(claimed[order])]]] = True
    return hit


def _best_first(found: Boxes, hit: Bools, reverses_keyframe_ties: bool) -> tuple[Boxes, Bools]:
    """Return rows and hits by action, then score, then the tie order of this module's text."""
    if len(found) == 0:
        return found, hit
    order = best_first(found.action, int(found.action.max()) + 1, found.score)
    found, hit = found.take(order), hit[order]
    del order
    starts = starts_of_runs(found.action, found.score)
    # The order of equal misses changes no number, not even the last digit of a resample's.
    length = np.diff(starts, append=len(hit))
    num_hits = np.add.reduceat(hit, starts, dtype=np.int64)
    matters = (num_hits > 0) & (length > 1)
    tied = np.flatnonzero(np.repeat(matters, length))
    run = np.repeat(np.flatnonzero(matters), length[matters])
    keyframe = found.keyframe[tied].astype(np.int64)
    num_keyframes = int(keyframe.max(initial=0)) + 1
    if reverses_keyframe_ties:
        keyframe = num_keyframes - 1 - keyframe
    order = tied[_by_content(found, hit, tied, run * num_keyframes + keyframe)]
    # The arrays are copies of this function's own making.
    for column in (found.keyframe, found.position, hit):
        column[tied] = column[order]
    return found, hit


def _by_content(found: Boxes, hit: Bools, row: Ints, group: Ints) -> Ints:
    """Return [T] the order of rows by group, then box; of identical rows, hits first."""
    order = np.argsort(group)
    alike = members_of_ties(starts_of_runs(group[order]), len(order))
    members = order[alike]
    keys = (~hit[row[members]], *found.reading_order(row[members]), group[members])
    order[alike] = members[np.lexsort(keys)]
    return order


def iou(a: Corners, b: Corners) -> Floats:
    """Return [N] intersection over union of [N, 4] boxes x1 y1 x2 y2, row by row; 0 / 0 is NaN.

    Of float32 boxes the sides and areas are float32, products of sides and the ratio float64, as
    in mmaction2, whose zeros for boxes apart are float64.
    """
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    shared = np.multiply(np.maximum(height, 0), np.maximum(width, 0), dtype=np.float64)
    area_a = (a[:, 3] - a[:, 1]) * (a[:, 2] - a[:, 0])
    area_b = (b[:, 3] - b[:, 1]) * (b[:, 2] - b[:, 0])
    with np.errstate(invalid="ignore", divide="ignore"):
        overlap: Floats = shared / (area_a + area_b - shared)
    return overlap


def _refuse_swapped_corners(people: Boxes, ground_truth: pd.DataFrame) -> None:
    x1, y1, x2, y2 = people.box().T
    swapped = (x2 < x1) | (y2 < y1)
    if swapped.any():
        index = int(np.flatnonzero(swapped)[0])
        found = "box " + ", ".join(f"{value:g}" for value in people.box()[index])
        row = int(ground_truth.index[people.position[index]])
        raise _row_error(ground_truth, row, found, "x1 <= x2 and y1 <= y2")


def takes(rules: Protocol, ground_truth: pd.DataFrame) -> bool:
    """Return whether a protocol scores this ground truth at all, or refuses it as its original."""
    if not rules.whole_seconds_with_people_only:
        return True
    seconds = ground_truth["timestamp"].to_numpy(dtype=np.float64)
    whole, empty = seconds == np.floor(seconds), (ground_truth["action_id"] == 0).to_numpy()
    return bool(whole.all() and not empty.any())


def _refuse_fractions_and_empty_keyframes(
    ground_truth: pd.DataFrame, detections: pd.DataFrame
) -> None:
    for table in (ground_truth, detections):
        times = table["timestamp"].to_numpy(dtype=np.float64)
        for row in table.index[times != np.floor(times)][:1]:
            found = f"timestamp {table.loc[row, 'timestamp']:g}"
            raise _row_error(table, int(row), found, "whole seconds under this protocol")
    for row in ground_truth.index[ground_truth["action_id"] == 0][:1]:
        expected = "7 or 8 under this protocol"
        raise _row_error(ground_truth, int(row), "2 columns (a keyframe without people)", expected)


def _row_error(table: pd.DataFrame, index: int, found: str, expected: str) -> ValueError:
    return row_error(table.attrs.get("source", "table"), index + 1, found, expected)
