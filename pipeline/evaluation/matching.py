"""Match detections with the truth at IoU 0.5, in columns: no Python loop over rows or keyframes.

A keyframe is a video id and a timestamp to the microsecond. Within a keyframe and an action every
detection asks for the one truth box it overlaps best; it is a hit when that IoU is at least 0.5 and
no higher-ranked detection took the box before. It never falls back to another free box.

Order among equal scores decides the number, so it is defined by content, never by file order:
keyframe (video id, time), then box (y1, x1, y2, x2), all ascending. A NaN score ranks as infinity.
Where truth boxes tie in IoU, the first by (y1, x1, y2, x2) is the best one.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.annotations.ava_csv import BOX
from pipeline.evaluation.annotated_keyframes import AnnotatedKeyframes, Bools, Floats, Ints
from pipeline.evaluation.protocols import Protocol

HIT_IOU = 0.5


@dataclass(frozen=True)
class Matches:
    """The detections that count, ranked, and which of them are hits.  C actions  V videos  N rows

    Rows are sorted by action, then best first: all that average precision and its bootstrap need.
    """

    action_ids: Ints  # [C] ascending
    video_ids: npt.NDArray[np.object_]  # [V] of the truth, ascending
    num_truth: Ints  # [C, V] truth boxes
    action: Ints  # [N] index into action_ids
    video: Ints  # [N] index into video_ids
    score: Floats  # [N]
    hit: Bools  # [N]
    counts: dict[str, int]  # rows used, and rows left out by reason

    def ranges(self) -> list[slice]:
        """The rows of each action, C slices."""
        ends = np.searchsorted(self.action, np.arange(len(self.action_ids) + 1))
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]


@dataclass(frozen=True)
class _Rows:
    """Boxes of one side, one entry per row."""

    keyframe: Ints  # index into the annotated keyframes
    action: Ints  # index into the classes
    box: Floats  # [N, 4] x1 y1 x2 y2
    score: Floats  # NaN replaced by infinity
    row: Ints  # where the row stood in its table, for messages

    def take(self, chosen: Bools | Ints) -> "_Rows":
        return _Rows(
            self.keyframe[chosen],
            self.action[chosen],
            self.box[chosen],
            self.score[chosen],
            self.row[chosen],
        )

    def reading_order(self) -> list[Floats]:
        """The box part of the tie order, as `np.lexsort` keys (the most important one last)."""
        x1, y1, x2, y2 = self.box.T
        return [x2, y2, x1, y1]


def match_detections(
    detections: pd.DataFrame,
    truth: pd.DataFrame,
    exclusions: pd.DataFrame,
    classes: dict[int, str],
    rules: Protocol,
) -> Matches:
    """Rank the detections of the classes that count and find the hits.

    Args:
        detections: as `ava_csv.read_detections` gives them.
        truth: as `ava_csv.read_truth` gives it; all its rows name the keyframes that count.
        exclusions: keyframes that do not count, as `ava_csv.read_exclusions` gives them.
        classes: the actions that count.
        rules: an entry of `protocols.PROTOCOLS`.

    Raises:
        ValueError: a truth box with swapped corners in a keyframe where its action is detected
            (the originals die there), or what the protocol does not take; with file and row.
    """
    if rules.whole_seconds_with_people_only:
        _refuse_fractions_and_empty_keyframes(truth, detections)
    action_ids = np.array(sorted(classes), dtype=np.int64)
    counted = truth["action_id"].isin(action_ids)
    keyframes = AnnotatedKeyframes(truth[counted] if rules.needs_counted_truth else truth)
    excluded = keyframes.is_excluded(exclusions)
    people, _ = _select(truth, keyframes, excluded, action_ids)
    found, counts = _select(detections, keyframes, excluded, action_ids)
    found = _keep(replace(found, score=_rounded(found.score, rules)), rules, counts)
    best = _best_truth(found, people, rules, truth)
    hit = _claims(found, best)
    order = _ranked(found, hit, rules.reverses_keyframe_ties)
    if rules.counts_excluded_truth:
        people, _ = _select(truth, keyframes, keyframes.is_excluded(truth[:0]), action_ids)
    counts["keyframes"] = int((~excluded[:-1]).sum())
    counts["truth_boxes"] = len(people.row)
    num_truth = np.zeros((len(action_ids), len(keyframes.video_ids)), dtype=np.int64)
    np.add.at(num_truth, (people.action, keyframes.video(people.keyframe)), 1)
    return Matches(
        action_ids=action_ids,
        video_ids=keyframes.video_ids.to_numpy(dtype=object),
        num_truth=num_truth,
        action=found.action[order],
        video=keyframes.video(found.keyframe[order]),
        score=found.score[order],
        hit=hit[order],
        counts=counts,
    )


def _select(
    table: pd.DataFrame, keyframes: AnnotatedKeyframes, excluded: Bools, action_ids: Ints
) -> tuple[_Rows, dict[str, int]]:
    """The rows of known keyframes and classes, and how many others there are by reason."""
    action = pd.Index(action_ids).get_indexer(pd.Index(table["action_id"])).astype(np.int64)
    keyframe = keyframes.find(table)
    kept = np.flatnonzero((action >= 0) & ~excluded[keyframe])
    unknown = keyframe < 0
    counts = {
        "rows": len(table),
        "rows_of_other_classes": int((action < 0).sum()),
        "rows_outside_keyframes": int((unknown & (action >= 0)).sum()),
        "rows_excluded": int((excluded[keyframe] & ~unknown & (action >= 0)).sum()),
    }
    score = table["score"].to_numpy(dtype=np.float64) if "score" in table else np.ones(len(table))
    rows = _Rows(
        keyframe=keyframe[kept],
        action=action[kept],
        box=table[BOX].to_numpy(dtype=np.float64)[kept],
        score=np.where(np.isnan(score[kept]), np.inf, score[kept]),
        row=table.index.to_numpy(dtype=np.int64)[kept],
    )
    return rows, counts


def _rounded(values: Floats, rules: Protocol) -> Floats:
    return values.astype(rules.detected_type).astype(np.float64)


def _keep(found: _Rows, rules: Protocol, counts: dict[str, int]) -> _Rows:
    """What the protocol counts, in the scripts' order: first the limit, then flat boxes go."""
    counts["rows_over_limit"] = counts["rows_without_area"] = 0
    if rules.max_rows is not None:
        kept = _within_limit(found, rules.max_rows)
        counts["rows_over_limit"] = int((~kept).sum())
        found = found.take(kept)
    if not rules.keeps_flat_boxes:
        x1, y1, x2, y2 = found.box.T
        kept = (x2 > x1) & (y2 > y1)
        counts["rows_without_area"] = int((~kept).sum())
        found = found.take(kept)
    counts["rows_used"] = len(found.row)
    return found


def _within_limit(found: _Rows, limit: int) -> Bools:
    crowded = np.bincount(found.keyframe)[found.keyframe] > limit
    rows = found.take(crowded)
    keys = (rows.action, *rows.reading_order(), -rows.score, rows.keyframe)
    order = np.lexsort(keys)
    keyframe = rows.keyframe[order]
    place = np.arange(len(order)) - np.searchsorted(keyframe, keyframe)
    kept = ~crowded
    kept[np.flatnonzero(crowded)[order[place < limit]]] = True
    return kept


def _best_truth(found: _Rows, people: _Rows, rules: Protocol, truth: pd.DataFrame) -> Ints:
    """[N] index into `people` of the box each detection hits by IoU, -1 for none."""
    num_actions = 1 + int(max(found.action.max(initial=0), people.action.max(initial=0)))
    order = np.lexsort((*people.reading_order(), people.action, people.keyframe))
    group = (people.keyframe * num_actions + people.action)[order]
    wanted = found.keyframe * num_actions + found.action
    first = np.searchsorted(group, wanted)
    size = np.searchsorted(group, wanted, side="right") - first
    # One pair per detection and truth box of the same keyframe and action, detection by detection.
    detection = np.repeat(np.arange(len(wanted)), size)
    start = np.cumsum(size) - size
    person = order[np.arange(len(detection)) - np.repeat(start - first, size)]
    _refuse_swapped_corners(people.take(person), truth)
    overlap = iou(_rounded(found.box[detection], rules), people.box[person])
    best = np.full(len(wanted), -1, dtype=np.int64)
    if len(overlap):
        asking = size > 0
        highest = np.repeat(np.maximum.reduceat(overlap, start[asking]), size[asking])
        # Writing backwards leaves the first of equally good boxes.
        top = np.flatnonzero((overlap == highest) & (overlap >= HIT_IOU))[::-1]
        best[detection[top]] = person[top]
    return best


def _claims(found: _Rows, best: Ints) -> Bools:
    """[N] whether a detection is the first in rank to ask for its truth box."""
    asking = np.flatnonzero(best >= 0)
    rows = found.take(asking)
    order = np.lexsort((*rows.reading_order(), -rows.score, best[asking]))
    claimed = best[asking][order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = claimed[1:] != claimed[:-1]
    hit = np.zeros(len(best), dtype=bool)
    hit[asking[order[is_first]]] = True
    return hit


def _ranked(found: _Rows, hit: Bools, reverses_keyframe_ties: bool) -> Ints:
    """[N] the order by action, then score, then the tie order of this module's text."""
    order = np.lexsort((-found.score, found.action))
    action, score = found.action[order], found.score[order]
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (action[1:] != action[:-1]) | (score[1:] != score[:-1])
    run = np.cumsum(is_new) - 1
    # Only a run of equal scores with hits and misses can change the number: sort no other.
    length = np.bincount(run)
    hits = np.bincount(run, weights=hit[order])
    tied = np.flatnonzero(((hits > 0) & (hits < length))[run])
    rows = found.take(order[tied])
    keyframe = -rows.keyframe if reverses_keyframe_ties else rows.keyframe
    keys = (~hit[order[tied]], *rows.reading_order(), keyframe, run[tied])
    order[tied] = order[tied][np.lexsort(keys)]
    return order


def iou(a: Floats, b: Floats) -> Floats:
    """[N] intersection over union of [N, 4] boxes x1 y1 x2 y2, row by row; 0 / 0 is NaN."""
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    shared = np.maximum(height, 0) * np.maximum(width, 0)
    area_a = (a[:, 3] - a[:, 1]) * (a[:, 2] - a[:, 0])
    area_b = (b[:, 3] - b[:, 1]) * (b[:, 2] - b[:, 0])
    with np.errstate(invalid="ignore", divide="ignore"):
        overlap: Floats = shared / (area_a + area_b - shared)
    return overlap


def _refuse_swapped_corners(people: _Rows, truth: pd.DataFrame) -> None:
    swapped = (people.box[:, 2] < people.box[:, 0]) | (people.box[:, 3] < people.box[:, 1])
    if swapped.any():
        position = int(np.flatnonzero(swapped)[0])
        found = "box " + ", ".join(f"{value:g}" for value in people.box[position])
        raise _row_error(truth, int(people.row[position]), found, "x1 <= x2 and y1 <= y2")


def _refuse_fractions_and_empty_keyframes(truth: pd.DataFrame, detections: pd.DataFrame) -> None:
    for table in (truth, detections):
        times = table["timestamp"].to_numpy(dtype=np.float64)
        for row in table.index[times != np.floor(times)][:1]:
            found = f"timestamp {table.loc[row, 'timestamp']:g}"
            raise _row_error(table, int(row), found, "whole seconds under this protocol")
    for row in truth.index[truth["action_id"] == 0][:1]:
        expected = "7 or 8 under this protocol"
        raise _row_error(truth, int(row), "2 columns (a keyframe without people)", expected)


def _row_error(table: pd.DataFrame, index: int, found: str, expected: str) -> ValueError:
    source = table.attrs.get("source", "table")
    return ValueError(f"{source}: row {index + 1}: found {found}, expected {expected}")
