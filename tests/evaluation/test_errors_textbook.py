"""The error analysis against one that goes person by person, as its text says it."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.errors import PROTOCOL, analyse_errors
from pipeline.evaluation.mean_ap import Row, plain_iou, plain_mean_ap
from pipeline.evaluation.metrics import score_available
from pipeline.evaluation.splits import SplitTables

CLASSES = {11: "sit", 12: "stand", 14: "walk", 17: "carry", 29: "eat", 79: "talk", 80: "watch"}
CATEGORIES = (range(1, 15), range(15, 64), range(64, 81))
COLUMNS = ["video_id", "timestamp", "x1", "y1", "x2", "y2", "action_id"]


def plain_map(found, ground_truth):
    rows, persons = ([Row(*row) for row in table] for table in (found, ground_truth))
    return plain_mean_ap(rows, persons, list(CLASSES))[0]


def random_box(random):
    x, y = random.uniform(0, 0.6, 2)
    width, height = random.uniform(0.05, 0.9, 2)
    return (x, y, min(x + width, 1.0), min(y + height, 1.0))


def random_split(seed):
    """Rows (video, second, box, action) of ground truth, and of detections with a score."""
    random = np.random.default_rng(seed)
    ground_truth, found = [], []
    for second in range(40):
        video = "ab"[second % 2]
        for _ in range(random.integers(1, 6)):
            box = random_box(random)
            actions = random.choice(list(CLASSES), size=random.integers(1, 4), replace=False)
            ground_truth += [(video, float(second), box, int(action)) for action in actions]
            seen = tuple(np.clip(np.array(box) + random.normal(0, 0.06, 4), 0, 1).tolist())
            boxes = [seen] * (random.random() < 0.8) + [random_box(random)] * (
                random.random() < 0.3
            )
            for each in boxes:
                found += [
                    (video, float(second), each, action, random.random())
                    for action in CLASSES
                    if random.random() < 0.9
                ]
    return ground_truth, found


def analysed(ground_truth, found):
    people = pd.DataFrame([(v, s, *box, a) for v, s, box, a in ground_truth], columns=COLUMNS)
    rows = [(v, s, *box, a, score) for v, s, box, a, score in found]
    detections = pd.DataFrame(rows, columns=[*COLUMNS, "score"])
    nothing = people[["video_id", "timestamp"]][:0]
    tables = SplitTables(detections, people, nothing, people[["video_id", "timestamp"]])
    return analyse_errors(tables, score_available(tables, CLASSES, PROTOCOL), CLASSES)


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def best_partner(box, others):
    """The other box of highest IoU and that IoU; (None, 0) without one."""
    best = max(others, key=lambda other: plain_iou(box, other), default=None)
    return best, (0.0 if best is None else plain_iou(box, best))


def by_keyframe(rows):
    boxes = {}
    for video, second, box, *_ in rows:
        boxes.setdefault((video, second), set()).add(box)
    return boxes


def parted_map(ground_truth, found, ground_truth_part, found_part, part):
    """mAP of a part; the keyframes of the whole still count."""
    keyframes = [(v, s, box, -1) for v, s, box, _ in ground_truth]
    mine = [row for row, each in zip(ground_truth, ground_truth_part, strict=True) if each == part]
    theirs = [row for row, each in zip(found, found_part, strict=True) if each == part]
    return plain_map(theirs, keyframes + mine)


def assert_groups(analysis, by, expected):
    measured = [group.mAP for group in analysis.groups if group.by == by]
    assert measured == [None if math.isnan(value) else pytest.approx(value) for value in expected]


@pytest.mark.parametrize("seed", range(6))
def test_sizes(seed):
    ground_truth, found = random_split(seed)
    people = by_keyframe(ground_truth)

    def size(box):
        return 0 if area(box) < 0.1 else 1 if area(box) < 0.4 else 2

    def size_of_detection(box, keyframe):
        person, overlap = best_partner(box, people[keyframe])
        return size(person if overlap >= 0.5 else box)

    parts = [size(row[2]) for row in ground_truth], [size_of_detection(r[2], r[:2]) for r in found]

    expected = [parted_map(ground_truth, found, *parts, part) for part in range(3)]

    assert_groups(analysed(ground_truth, found), "size", expected)


@pytest.mark.parametrize("seed", range(6))
def test_numbers_of_people(seed):
    ground_truth, found = random_split(seed)
    people = by_keyframe(ground_truth)
    parts = ([min(len(people[row[:2]]), 4) for row in rows] for rows in (ground_truth, found))

    ground_truth_part, found_part = parts
    expected = [
        parted_map(ground_truth, found, ground_truth_part, found_part, part) for part in range(1, 5)
    ]

    assert_groups(analysed(ground_truth, found), "people", expected)


@pytest.mark.parametrize("seed", range(6))
def test_perfect_boxes(seed):
    ground_truth, found = random_split(seed)
    detected = by_keyframe(found)
    perfect = []
    for keyframe, people in by_keyframe(ground_truth).items():
        for person in people:
            box, overlap = best_partner(person, detected.get(keyframe, ()))
            if overlap >= 0.1:
                mine = [row for row in found if row[:2] == keyframe and row[2] == box]
                perfect += [(*keyframe, person, action, score) for *_, action, score in mine]

    expected = plain_map(perfect, ground_truth)

    assert analysed(ground_truth, found).perfect_boxes.mAP == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(6))
def test_confused_actions(seed):
    ground_truth, found = random_split(seed)
    detected = by_keyframe(found)
    pairs, doing = Counter(), Counter()
    for keyframe, people in by_keyframe(ground_truth).items():
        for person in people:
            box, overlap = best_partner(person, detected.get(keyframe, ()))
            if overlap < 0.5:
                continue
            actions = {row[3] for row in ground_truth if row[:2] == keyframe and row[2] == person}
            scores = {row[3]: row[4] for row in found if row[:2] == keyframe and row[2] == box}
            doing.update(actions)
            for action in actions:
                (kind,) = [ids for ids in CATEGORIES if action in ids]
                wrong = [other for other in scores if other in kind and other not in actions]
                highest = max(wrong, key=scores.get, default=None)
                if highest is not None and scores[highest] > scores.get(action, -1):
                    pairs[action, highest] += 1

    found_pairs = {
        (c.action_id, c.taken_for_id): (c.people, c.share)
        for c in analysed(ground_truth, found).confused
    }

    assert len(found_pairs) > 5
    assert found_pairs == {
        (action, wrong): (number, pytest.approx(number / doing[action]))
        for (action, wrong), number in pairs.items()
    }
