"""Every part of the error analysis on cases worked out by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.errors import analyse_errors
from pipeline.evaluation.metrics import score_available, score_split
from pipeline.evaluation.splits import SplitTables

# Movements, an object, dealing with people.
CLASSES = {11: "sit", 12: "stand", 14: "walk", 17: "carry", 79: "talk to", 80: "watch"}
BOX = ["x1", "y1", "x2", "y2"]
SMALL, MEDIUM, LARGE = (0.0, 0.0, 0.2, 0.2), (0.3, 0.0, 0.6, 1.0), (0.0, 0.0, 1.0, 0.9)


def analysed(ground_truth, detections, excluded=(), missing=()):
    """Analyse ground truth (second, box, action) and detections (second, box, action, score)."""
    people = pd.DataFrame([("v", s, *box, a) for s, box, a in ground_truth])
    people.columns = ["video_id", "timestamp", *BOX, "action_id"]
    found = pd.DataFrame([("v", s, *box, a, score) for s, box, a, score in detections])
    found.columns = [*people.columns, "score"]
    out = pd.DataFrame({"video_id": ["v"] * len(excluded), "timestamp": list(excluded)})
    index = people.loc[~people["timestamp"].isin(missing), ["video_id", "timestamp"]]
    tables = SplitTables(found, people, out.astype({"timestamp": "float64"}), index)
    whole = score_available(tables, CLASSES, "uncapped")
    return analyse_errors(tables, whole, CLASSES), tables


def groups(analysis, by):
    return {
        group.group.partition(" (")[0]: (group.mAP, group.num_actions, group.num_ground_truth)
        for group in analysis.groups
        if group.by == by
    }


def test_the_whole_is_the_uncapped_map():
    analysis, tables = analysed(
        [(1, MEDIUM, 12), (2, MEDIUM, 14)], [(1, MEDIUM, 12, 0.9), (2, MEDIUM, 12, 0.95)]
    )

    assert analysis.mAP == score_split(tables, CLASSES)["uncapped"].mAP == (0.5 + 0) / 2


def test_categories_average_their_actions():
    analysis, _ = analysed(
        [(1, MEDIUM, 11), (2, MEDIUM, 12), (2, MEDIUM, 80)],
        [(1, MEDIUM, 11, 0.9), (2, MEDIUM, 80, 0.5), (1, MEDIUM, 80, 0.7)],
    )

    assert groups(analysis, "category") == {
        "person_movement": (0.5, 2, 2),
        "object_manipulation": (None, 0, 0),
        "person_interaction": (0.5, 1, 1),
    }


def test_frequency_counts_the_ground_truth_boxes_of_an_action():
    seconds = range(10)
    ground_truth = [(s, MEDIUM, 12) for s in seconds] + [(s, MEDIUM, 14) for s in seconds[:9]]

    analysis, _ = analysed(ground_truth, [(s, MEDIUM, 12, 0.9) for s in seconds])

    assert groups(analysis, "frequency") == {
        "under 10 boxes": (0.0, 1, 9),
        "10 to 99": (1.0, 1, 10),
        "100 to 999": (None, 0, 0),
        "1,000 or more": (None, 0, 0),
    }


def test_a_detection_belongs_to_the_size_of_the_person_it_hits():
    # Area 0.036 of a person of 0.04: small by its person and by itself. A box of area 0.09 that
    # hits nobody is small, one of 0.3 medium; they must not count against the other sizes.
    small_miss, medium_miss = (0.7, 0.1, 1.0, 0.4), (0.7, 0.0, 1.0, 1.0)
    analysis, _ = analysed(
        [(1, SMALL, 12), (2, MEDIUM, 12), (3, LARGE, 12)],
        [
            (1, small_miss, 12, 0.95),
            (1, (0.0, 0.0, 0.2, 0.18), 12, 0.9),
            (2, MEDIUM, 12, 0.8),
            (2, medium_miss, 12, 0.7),
            (3, (0.0, 0.0, 1.0, 0.39 + 0.1), 12, 0.6),
        ],
    )

    found = groups(analysis, "size")
    assert found["small"] == (0.5, 1, 1)
    assert found["medium"] == (1.0, 1, 1)
    assert found["large"] == (1.0, 1, 1)


def test_a_box_too_small_for_its_person_still_counts_as_the_person_s_size():
    # IoU 1/2 with a person of area 1/8 (medium), though the box of 1/16 is small.
    person, half = (0.0, 0.0, 0.25, 0.5), (0.0, 0.0, 0.25, 0.25)
    analysis, _ = analysed([(1, person, 12)], [(1, half, 12, 0.9)])

    assert groups(analysis, "size")["medium"] == (1.0, 1, 1)
    assert groups(analysis, "size")["small"] == (None, 0, 0)


def test_keyframes_are_grouped_by_their_distinct_people():
    # Second 1: one person with two actions. Second 2: two people, and one is missed.
    analysis, _ = analysed(
        [(1, MEDIUM, 12), (1, MEDIUM, 80), (2, MEDIUM, 12), (2, SMALL, 12)],
        [(1, MEDIUM, 12, 0.5), (1, MEDIUM, 80, 0.5), (2, MEDIUM, 12, 0.9)],
    )

    assert groups(analysis, "people") == {
        "1 person": (1.0, 2, 2),
        "2 people": (0.5, 1, 2),
        "3 people": (None, 0, 0),
        "4 or more": (None, 0, 0),
    }


def test_perfect_boxes_leave_the_errors_of_classification():
    shifted = (0.3, 0.0, 0.6, 0.4)  # IoU 0.4 with MEDIUM: a miss that perfect boxes mend
    nobody = (0.8, 0.0, 0.9, 0.1)
    analysis, _ = analysed(
        [(1, MEDIUM, 12), (2, SMALL, 14), (3, MEDIUM, 14)],
        [
            (1, shifted, 12, 0.9),
            (1, nobody, 12, 0.99),
            (2, SMALL, 12, 0.95),
            (2, SMALL, 14, 0.5),
        ],
    )

    assert analysis.mAP == pytest.approx((0 + 1 / 2) / 2)
    # Stand: the person of second 2 (0.95) before the right one (0.9). Walk: one of two found.
    assert analysis.perfect_boxes.mAP == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert (analysis.perfect_boxes.people, analysis.perfect_boxes.people_hit) == (3, 1)
    assert (analysis.perfect_boxes.people_seen, analysis.perfect_boxes.boxes) == (2, 3)
    assert analysis.perfect_boxes.boxes_unmatched == 2


def test_a_box_below_a_tenth_is_nobody_s():
    sliver = (0.3, 0.0, 0.6, 0.09)  # IoU 0.09 with MEDIUM
    analysis, _ = analysed([(1, MEDIUM, 12)], [(1, sliver, 12, 0.9)])

    assert analysis.perfect_boxes.mAP == 0.0
    assert analysis.perfect_boxes.people_seen == 0


def test_with_true_boxes_from_the_start_nothing_changes():
    random = np.random.default_rng(4)
    seconds = range(30)
    ground_truth = [
        (s, box, a) for s in seconds for box, a in ((SMALL, 12), (MEDIUM, 14), (MEDIUM, 80))
    ]
    boxes = [(s, box) for s in seconds for box in (SMALL, MEDIUM)]
    found = [(s, box, a, random.random()) for s, box in boxes for a in (12, 14, 80)]

    analysis, _ = analysed(ground_truth, found)

    assert analysis.perfect_boxes.mAP == analysis.mAP
    assert 0 < analysis.mAP < 1


def confused(analysis):
    return [(c.action_id, c.taken_for_id, c.people, c.share) for c in analysis.confused]


def test_confused_actions_are_the_highest_wrong_ones_of_a_category():
    analysis, _ = analysed(
        [(1, MEDIUM, 11), (1, MEDIUM, 79), (2, MEDIUM, 11), (3, MEDIUM, 12), (4, SMALL, 11)],
        [
            # Sits and talks: taken for walking; talking is below sitting, but nothing else.
            (1, MEDIUM, 11, 0.3),
            (1, MEDIUM, 12, 0.5),
            (1, MEDIUM, 14, 0.6),
            (1, MEDIUM, 79, 0.2),
            (2, MEDIUM, 14, 0.4),  # sitting has no score at all
            (3, MEDIUM, 12, 0.4),  # as high as the wrong one: not missed
            (3, MEDIUM, 14, 0.4),
            (4, MEDIUM, 14, 0.9),  # beside the person
        ],
    )

    assert confused(analysis) == [(11, 14, 2, 1.0)]


def test_share_is_of_the_people_who_were_hit():
    found = [(1, MEDIUM, 12, 0.9), (1, MEDIUM, 11, 0.8), (2, MEDIUM, 11, 0.9), (3, SMALL, 12, 0.9)]
    analysis, _ = analysed([(1, MEDIUM, 11), (2, MEDIUM, 11), (3, MEDIUM, 11)], found)

    assert confused(analysis) == [(11, 12, 1, 0.5)]


def test_excluded_and_missing_keyframes_do_not_count():
    ground_truth = [(1, MEDIUM, 12), (2, MEDIUM, 12), (3, MEDIUM, 12)]
    found = [(1, MEDIUM, 12, 0.5), (2, MEDIUM, 14, 0.9), (3, MEDIUM, 14, 0.9)]

    analysis, _ = analysed(ground_truth, found, excluded=[2], missing=[3])

    assert analysis.mAP == analysis.perfect_boxes.mAP == 1.0
    assert (analysis.perfect_boxes.people, analysis.perfect_boxes.boxes) == (1, 1)
    assert groups(analysis, "people")["1 person"] == (1.0, 1, 1)
    assert confused(analysis) == []


def test_nothing_to_analyse_is_null_in_json():
    analysis, _ = analysed([(1, MEDIUM, 12)], [(1, MEDIUM, 12, 0.5)], excluded=[1])

    described = json.loads(json.dumps(analysis.described(CLASSES), allow_nan=False))

    assert described["mAP"] is None
    assert described["perfect_boxes"]["mAP"] is None
    assert described["confused"] == []


def test_described_names_its_actions():
    found = [(1, MEDIUM, 12, 0.9), (1, MEDIUM, 11, 0.8)]
    analysis, _ = analysed([(1, MEDIUM, 11)], found)

    assert analysis.described(CLASSES)["confused"] == [
        {
            "action": "sit",
            "taken_for": "stand",
            "action_id": 11,
            "taken_for_id": 12,
            "people": 1,
            "share": 1.0,
        }
    ]


def test_order_of_rows_changes_nothing():
    random = np.random.default_rng(1)
    ground_truth = [
        (s, box, a) for s in range(9) for box, a in ((SMALL, 12), (MEDIUM, 14), (LARGE, 80))
    ]
    found = [
        (s, tuple(np.array(box) + 0.01), a, random.random())
        for s, box, _ in ground_truth
        for a in (11, 12, 14, 79, 80)
    ]

    one, _ = analysed(ground_truth, found)
    two, _ = analysed(
        [ground_truth[i] for i in random.permutation(len(ground_truth))],
        [found[i] for i in random.permutation(len(found))],
    )

    assert one == two
