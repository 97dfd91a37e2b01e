"""Distinct boxes and how they overlap, worked out by hand."""

import numpy as np
import pandas as pd

from pipeline.evaluation.people import (
    distinct_boxes,
    labels_of,
    overlaps_of,
    scores_of,
)

BOX = ["x1", "y1", "x2", "y2"]
LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)


def boxes(*rows):
    """Boxes of rows (keyframe, box)."""
    table = pd.DataFrame([box for _, box in rows], columns=BOX)
    return distinct_boxes(table, np.array([keyframe for keyframe, _ in rows]))


def test_rows_share_a_box_wherever_they_stand():
    found = boxes((1, RIGHT), (0, LEFT), (1, LEFT), (1, RIGHT), (-1, LEFT))

    assert found.keyframe.tolist() == [0, 1, 1]
    assert found.box.tolist() == [list(LEFT), list(LEFT), list(RIGHT)]
    assert found.of_row.tolist() == [2, 0, 1, 2, -1]
    assert found.area().tolist() == [0.5, 0.5, 0.5]


def test_no_rows_have_no_boxes():
    found = boxes((-1, LEFT))

    assert (len(found.keyframe), found.of_row.tolist()) == (0, [-1])


def test_partners_are_the_best_of_their_own_keyframe():
    people = boxes((0, LEFT), (0, RIGHT), (1, LEFT))
    half = (0.0, 0.0, 0.5, 0.5)  # IoU 1/2 with LEFT
    low = (0.5, 0.0, 1.0, 0.375)  # IoU 3/8 with RIGHT
    detected = boxes((0, half), (0, low), (2, LEFT))

    found = overlaps_of(people, detected)

    assert found.detected_of_person.tolist() == [0, 1, -1]
    assert found.iou_of_person.tolist() == [0.5, 0.375, 0]
    assert found.person_of_detected.tolist() == [0, -1, -1]


def test_two_people_may_have_the_same_box_and_the_first_of_equal_boxes_speaks():
    people = boxes((0, (0.0, 0.0, 0.25, 1.0)), (0, (0.25, 0.0, 0.5, 1.0)))
    detected = boxes((0, LEFT), (0, RIGHT))

    found = overlaps_of(people, detected)

    assert found.detected_of_person.tolist() == [0, 0]
    assert found.person_of_detected.tolist() == [0, -1]


def test_scores_and_labels_are_tables_of_people_and_actions():
    ids = np.array([12, 14, 80])
    table = pd.DataFrame([LEFT, LEFT, RIGHT, RIGHT], columns=BOX)
    rows = table.assign(action_id=[12, 80, 14, 99], score=[0.1, 0.2, 0.3, 0.4])
    found = distinct_boxes(rows, np.zeros(4, np.int64))

    scores = scores_of(np.array([1, 0, 1]), found, rows, ids)
    labels = labels_of(found, rows, ids)

    nothing = -np.inf
    assert scores.tolist() == [
        [nothing, 0.3, nothing],
        [0.1, nothing, 0.2],
        [nothing, 0.3, nothing],
    ]
    assert labels.tolist() == [[True, False, True], [False, True, False]]
