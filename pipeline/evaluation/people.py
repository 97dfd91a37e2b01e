"""People instead of rows: the distinct boxes of ground truth and detections, and how they overlap.

A person does several actions and a detected box has a score for each, so a box stands in many rows.
Questions about boxes are answered once per box. Equal boxes of a keyframe are the same person.

B boxes  N rows  P people  D detected boxes  C actions
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.annotations.ava_csv import BOX
from pipeline.evaluation.annotated_keyframes import Bools, Floats, Ints
from pipeline.evaluation.matching import HIT_IOU, iou


@dataclass(frozen=True)
class Boxes:
    """The distinct boxes of a table, by keyframe and then (y1, x1, y2, x2)."""

    keyframe: Ints  # [B] ascending
    box: Floats  # [B, 4] x1 y1 x2 y2
    of_row: Ints  # [N] the box of each row, -1 for a row that does not count

    def area(self) -> Floats:
        """Return [B] width times height, as a share of the image."""
        x1, y1, x2, y2 = self.box.T
        area: Floats = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
        return area


def distinct_boxes(table: pd.DataFrame, keyframe: Ints) -> Boxes:
    """Return the boxes of a table.

    Args:
        table: rows with x1, y1, x2, y2.
        keyframe: [N] number of each row's keyframe, -1 for a row to leave out.
    """
    rows = np.flatnonzero(keyframe >= 0)
    x1, y1, x2, y2 = (table[name].to_numpy(dtype=np.float64)[rows] for name in BOX)
    columns = (keyframe[rows], y1, x1, y2, x2)
    # A table lists a box's actions together, so that most rows need no sorting.
    starts = np.flatnonzero(_is_new(*columns))
    firsts = [column[starts] for column in columns]
    order = np.lexsort(firsts[::-1])
    firsts = [column[order] for column in firsts]
    is_new = _is_new(*firsts)
    number_of_start = np.empty(len(starts), dtype=np.int64)
    number_of_start[order] = np.cumsum(is_new) - 1
    of_row = np.full(len(table), -1, dtype=np.int64)
    of_row[rows] = np.repeat(number_of_start, np.diff(np.append(starts, len(rows))))
    frame, top, left, bottom, right = (column[is_new] for column in firsts)
    return Boxes(frame, np.stack([left, top, right, bottom], axis=1), of_row)


def _is_new(*columns: Ints | Floats) -> Bools:
    """Return [N] whether a row differs from the one before it."""
    is_new = np.ones(len(columns[0]), dtype=bool)
    if len(is_new):
        is_new[1:] = False
    for column in columns:
        is_new[1:] |= column[1:] != column[:-1]
    return is_new


@dataclass(frozen=True)
class Overlaps:
    """Who lies under which box."""

    detected_of_person: Ints  # [P] the detected box that overlaps a person best, -1 for none
    iou_of_person: Floats  # [P] their IoU, 0 for none
    person_of_detected: Ints  # [D] the person that a detected box hits best, -1 below IoU 0.5


def overlaps_of(people: Boxes, detected: Boxes) -> Overlaps:
    """Return best partners within each keyframe; of equally good ones the first."""
    first = np.searchsorted(people.keyframe, detected.keyframe)
    size = np.searchsorted(people.keyframe, detected.keyframe, side="right") - first
    box = np.repeat(np.arange(len(detected.keyframe)), size)
    person = np.arange(len(box)) - np.repeat(np.cumsum(size) - size - first, size)
    overlap = np.nan_to_num(iou(detected.box[box], people.box[person]))
    hit, hit_person = _best(box, person, overlap, overlap >= HIT_IOU)
    person_of_detected = np.full(len(detected.keyframe), -1, dtype=np.int64)
    person_of_detected[hit] = hit_person
    seen, seen_box = _best(person, box, overlap, overlap > 0)
    detected_of_person = np.full(len(people.keyframe), -1, dtype=np.int64)
    detected_of_person[seen] = seen_box
    iou_of_person = np.zeros(len(people.keyframe))
    np.maximum.at(iou_of_person, person, overlap)
    return Overlaps(detected_of_person, iou_of_person, person_of_detected)


def _best(owner: Ints, other: Ints, overlap: Floats, allowed: Bools) -> tuple[Ints, Ints]:
    """Return each owner with an allowed partner, and the partner it overlaps most."""
    owner, other, overlap = owner[allowed], other[allowed], overlap[allowed]
    order = np.lexsort((other, -overlap, owner))
    owner, other = owner[order], other[order]
    is_first = _is_new(owner)
    return owner[is_first], other[is_first]


def labels_of(people: Boxes, ground_truth: pd.DataFrame, action_ids: Ints) -> Bools:
    """Return [P, C] whether a person does an action."""
    labels = np.zeros((len(people.keyframe), len(action_ids)), dtype=bool)
    person, action, _ = _known(people.of_row, ground_truth, action_ids)
    labels[person, action] = True
    return labels


def scores_of(people: Ints, detected: Boxes, detections: pd.DataFrame, action_ids: Ints) -> Floats:
    """Return [P, C] what the box of each person scores for an action; -inf where it says nothing.

    Args:
        people: [P] a detected box for each person; two may share one.
    """
    boxes, index = np.unique(people, return_inverse=True)
    wanted = np.full(len(detected.keyframe) + 1, -1, dtype=np.int64)  # the last answers for -1
    wanted[boxes] = np.arange(len(boxes))
    box, action, row = _known(wanted[detected.of_row], detections, action_ids)
    score = detections["score"].to_numpy(dtype=np.float64)[row]
    scores = np.full((len(boxes), len(action_ids)), -np.inf)
    np.maximum.at(scores, (box, action), np.where(np.isnan(score), np.inf, score))
    return scores[index]


def _known(owner: Ints, table: pd.DataFrame, action_ids: Ints) -> tuple[Ints, Ints, Ints]:
    """Owner, action (as its index) and number of the rows that have both."""
    action = pd.Index(action_ids).get_indexer(pd.Index(table["action_id"])).astype(np.int64)
    row = np.flatnonzero((owner >= 0) & (action >= 0))
    return owner[row], action[row], row
