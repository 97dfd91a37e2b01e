"""Why a variant's mAP is what it is: by kind of action and person, boxes apart, actions mixed up.

Everything here follows the `uncapped` protocol: under a limit of rows per keyframe, a part of the
detections would have more room than the whole. All of it speaks of the available keyframes.

Groups:
    category    AVA's three kinds of action.
    frequency   actions by their number of ground truth boxes.
    size        people by the area of their ground truth box. A detection belongs to the size of the
                person it overlaps best, at IoU 0.5 or more, and else to the size of its own box.
    people      keyframes by the number of distinct ground truth boxes. Detections in a keyframe
                without people are in no group.
A group's mAP is the mean over the actions that have ground truth in the group, so groups of one
kind need not weigh the same actions; each detection and each ground truth box is in one of them at
most.

Perfect boxes:
    Every person of the ground truth takes the scores of the detected box that overlaps it best, at
    an IoU of at least 0.1 (below that TIDE calls a box background); the detections are then these
    people with their true boxes. People without such a box are missed as before; detected boxes
    that no person takes are gone. Two people may take the same box. What is gained is the price of
    the
    boxes: misplaced, doubled or unmatched. What is still missing is that of the classification,
    and of people whom no box comes near.

Confused actions:
    Of the people whom a detected box hits at IoU 0.5 or more (the best of them speaks): an action
    of theirs is missed when another action of its category, which they do not do, has a higher
    score; the highest of those is what it is taken for. Only within a category, since people do one
    movement at a time, but move, use objects and deal with others at once.

Source of the lower threshold: TIDE, https://arxiv.org/abs/2008.08115.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from pipeline.annotations.ava_csv import BOX
from pipeline.core.atomic import written
from pipeline.evaluation.annotated_keyframes import AnnotatedKeyframes, Bools, Ints
from pipeline.evaluation.matching import HIT_IOU, match_detections
from pipeline.evaluation.mean_ap import mean_ap, per_class_ap
from pipeline.evaluation.metrics import CATEGORIES, Scores, available_ground_truth
from pipeline.evaluation.people import (
    Boxes,
    Overlaps,
    distinct_boxes,
    labels_of,
    overlaps_of,
    scores_of,
)
from pipeline.evaluation.protocols import PROTOCOLS
from pipeline.evaluation.splits import SplitTables

V = TypeVar("V")

PROTOCOL = "uncapped"
SEEN_IOU = 0.1
MAX_CONFUSED = 30  # pairs that are kept, the most frequent ones
# Areas as shares of the image: about a quarter of AVA's people are small, a quarter large.
SIZES = {"small (under 10 %)": 0.0, "medium": 0.1, "large (40 % or more)": 0.4}
CROWDS = {"1 person": 1, "2 people": 2, "3 people": 3, "4 or more": 4}
FREQUENCIES = {"under 10 boxes": 1, "10 to 99": 10, "100 to 999": 100, "1,000 or more": 1000}


@dataclass(frozen=True)
class Group:
    """The mAP of a part of the data."""

    by: str  # category, frequency, size or people
    group: str
    mAP: float | None  # noqa: N815  None without ground truth
    num_actions: int  # with ground truth in the group
    num_ground_truth: int  # ground truth boxes


@dataclass(frozen=True)
class BoxErrors:
    """mAP with true boxes in place of the detected ones, and what became of people and boxes."""

    mAP: float | None  # noqa: N815
    people: int
    people_hit: int  # a detected box at IoU 0.5 or more
    people_seen: int  # at 0.1 or more
    boxes: int  # detected
    boxes_unmatched: int  # below IoU 0.5 with everyone


@dataclass(frozen=True)
class Confusion:
    """An action that was missed, and what it was taken for."""

    action_id: int
    taken_for_id: int
    people: int
    share: float  # of the hit people who do the action


@dataclass(frozen=True)
class ErrorAnalysis:
    """Where a set of detections loses its mAP; this module's text defines each part."""

    mAP: float | None  # noqa: N815  of the whole, under the same protocol
    groups: list[Group]
    perfect_boxes: BoxErrors
    confused: list[Confusion]

    def described(self, classes: Mapping[int, str]) -> dict[str, object]:
        """Return plain values for JSON, with the actions' names."""
        confused = [
            {"action": classes[c.action_id], "taken_for": classes[c.taken_for_id], **asdict(c)}
            for c in self.confused
        ]
        return {"protocol": PROTOCOL, **asdict(self), "confused": confused}


def analyse_errors(tables: SplitTables, whole: Scores, classes: dict[int, str]) -> ErrorAnalysis:
    """Take the mAP of a split apart, on the keyframes that are available.

    Args:
        whole: the split's scores under `PROTOCOL`, on the same keyframes.
    """
    analysis = _Analysis(tables, classes)
    groups = [
        *_action_groups(whole.per_class, whole.num_ground_truth),
        *analysis.sizes(),
        *analysis.crowds(),
    ]
    return ErrorAnalysis(_number(whole.mAP), groups, analysis.perfect_boxes(), analysis.confused())


def write_errors(
    path: Path, errors: Mapping[str, ErrorAnalysis], classes: Mapping[int, str]
) -> dict[str, object]:
    """Write `errors.json`: split to analysis; returns what it holds."""
    described: dict[str, object] = {
        split: each.described(classes) for split, each in errors.items()
    }
    with written(path) as temporary:
        temporary.write_text(json.dumps(described, indent=1, allow_nan=False) + "\n")
    return described


class _Analysis:
    """One split's detections and ground truth, as rows and as people."""

    def __init__(self, tables: SplitTables, classes: dict[int, str]) -> None:
        self.classes, self.exclusions = classes, tables.exclusions
        self.action_ids = np.array(sorted(classes), dtype=np.int64)
        had = available_ground_truth(tables.ground_truth, tables.index)
        # Matching looks a category up once and a text in every row, and this goes there often.
        self.ground_truth = had.astype({"video_id": "category"})
        self.detections = tables.detections.astype({"video_id": "category"})
        keyframes = AnnotatedKeyframes(self.ground_truth)
        excluded = keyframes.is_excluded(self.exclusions)
        self.ground_truth_keyframe = keyframes.find(self.ground_truth)
        found_keyframe = keyframes.find(self.detections)
        is_person = (self.ground_truth["action_id"] != 0).to_numpy() & ~excluded[
            self.ground_truth_keyframe
        ]
        self.people: Boxes = distinct_boxes(
            self.ground_truth, np.where(is_person, self.ground_truth_keyframe, -1)
        )
        self.detected: Boxes = distinct_boxes(
            self.detections, np.where(excluded[found_keyframe], -1, found_keyframe)
        )
        self.overlaps: Overlaps = overlaps_of(self.people, self.detected)
        crowd = np.bincount(self.people.keyframe, minlength=len(excluded))
        self.ground_truth_crowd, self.found_crowd = (
            crowd[self.ground_truth_keyframe],
            crowd[found_keyframe],
        )

    def _score(
        self, detections: pd.DataFrame, ground_truth: pd.DataFrame
    ) -> tuple[dict[int, float], dict[int, int]]:
        """Return AP and number of ground truth boxes by action."""
        rules = PROTOCOLS[PROTOCOL]
        matches = match_detections(detections, ground_truth, self.exclusions, self.classes, rules)
        totals = matches.num_ground_truth.sum(axis=1).tolist()
        ids = matches.action_ids.tolist()
        return per_class_ap(matches, rules), dict(zip(ids, totals, strict=True))

    def _part(self, by: str, name: str, found: Bools, true: Bools) -> Group:
        # Action 0 stands for "nobody": the keyframe of such a row still counts.
        ground_truth = self.ground_truth.assign(
            action_id=np.where(true, self.ground_truth["action_id"], 0)
        )
        per_class, num_ground_truth = self._score(self.detections[found], ground_truth)
        return _group(by, name, per_class, num_ground_truth)

    def sizes(self) -> Iterator[Group]:
        bounds = list(SIZES.values())
        person = np.digitize(self.people.area(), bounds)
        hit = self.overlaps.person_of_detected
        own = np.digitize(self.detected.area(), bounds)
        box = np.append(np.where(hit >= 0, np.append(person, 0)[hit], own), 0)
        true, found = np.append(person, 0)[self.people.of_row], box[self.detected.of_row]
        for number, name in enumerate(SIZES, start=1):
            yield self._part("size", name, found == number, true == number)

    def crowds(self) -> Iterator[Group]:
        bounds = list(CROWDS.values())
        true, found = (
            np.digitize(self.ground_truth_crowd, bounds),
            np.digitize(self.found_crowd, bounds),
        )
        for number, name in enumerate(CROWDS, start=1):
            yield self._part("people", name, found == number, true == number)

    def perfect_boxes(self) -> BoxErrors:
        best = self.overlaps.iou_of_person
        seen = np.flatnonzero(best >= SEEN_IOU)
        boxes = self.overlaps.detected_of_person[seen]
        scores = scores_of(boxes, self.detected, self.detections, self.action_ids)
        person, action = np.nonzero(scores > -np.inf)
        rows = np.flatnonzero(self.people.of_row >= 0)
        row_of_person = np.zeros(len(best), dtype=np.int64)
        row_of_person[self.people.of_row[rows]] = rows  # the last of a person's rows
        perfect = self._rows_of(row_of_person[seen[person]]).assign(
            action_id=self.action_ids[action], score=scores[person, action]
        )
        per_class, _ = self._score(perfect, self.ground_truth)
        return BoxErrors(
            mAP=_number(mean_ap(per_class)),
            people=len(best),
            people_hit=int((best >= HIT_IOU).sum()),
            people_seen=len(seen),
            boxes=len(self.detected.keyframe),
            boxes_unmatched=int((self.overlaps.person_of_detected < 0).sum()),
        )

    def _rows_of(self, rows: Ints) -> pd.DataFrame:
        """Return rows of the ground truth, again and again where asked for."""
        columns = ["video_id", "timestamp", *BOX]
        return self.ground_truth[columns].iloc[rows].reset_index(drop=True)

    def confused(self) -> list[Confusion]:
        hit = np.flatnonzero(self.overlaps.iou_of_person >= HIT_IOU)
        boxes = self.overlaps.detected_of_person[hit]
        scores_PC = scores_of(boxes, self.detected, self.detections, self.action_ids)
        labels_PC = labels_of(self.people, self.ground_truth, self.action_ids)[hit]
        counts_CC = np.zeros((len(self.action_ids),) * 2, dtype=np.int64)
        for ids in CATEGORIES.values():
            mine = np.isin(self.action_ids, ids)
            if len(hit) and mine.any():
                wrong_PC = np.where(mine & ~labels_PC, scores_PC, -np.inf)
                taken_for_P = wrong_PC.argmax(axis=1)
                highest_P1 = wrong_PC.max(axis=1, keepdims=True)
                person, action = np.nonzero(labels_PC & mine & (scores_PC < highest_P1))
                np.add.at(counts_CC, (action, taken_for_P[person]), 1)
        return _confusions(counts_CC, labels_PC.sum(axis=0), self.action_ids)


def _confusions(counts_CC: Ints, people_C: Ints, action_ids: Ints) -> list[Confusion]:
    action, taken_for = np.nonzero(counts_CC)
    order = np.lexsort((taken_for, action, -counts_CC[action, taken_for]))[:MAX_CONFUSED]
    return [
        Confusion(
            action_id=int(action_ids[a]),
            taken_for_id=int(action_ids[b]),
            people=int(counts_CC[a, b]),
            share=float(counts_CC[a, b] / people_C[a]),
        )
        for a, b in zip(action[order], taken_for[order], strict=True)
    ]


def _action_groups(
    per_class: dict[int, float], num_ground_truth: dict[int, int]
) -> Iterator[Group]:
    """AVA's categories and the classes of frequency."""
    for name, ids in CATEGORIES.items():
        yield _group("category", name, _only(per_class, ids), _only(num_ground_truth, ids))
    bounds = [*FREQUENCIES.values(), np.inf]
    for name, low, high in zip(FREQUENCIES, bounds, bounds[1:], strict=False):
        mine = [action for action, number in num_ground_truth.items() if low <= number < high]
        yield _group("frequency", name, _only(per_class, mine), _only(num_ground_truth, mine))


def _only(values: Mapping[int, V], ids: Collection[int]) -> dict[int, V]:
    return {action: value for action, value in values.items() if action in ids}


def _group(
    by: str, name: str, per_class: dict[int, float], num_ground_truth: dict[int, int]
) -> Group:
    known = int(sum(number > 0 for number in num_ground_truth.values()))
    return Group(by, name, _number(mean_ap(per_class)), known, sum(num_ground_truth.values()))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
