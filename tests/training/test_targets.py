"""Assignment and sampling of boxes against the original's cases."""

import numpy as np
import pytest

from pipeline.training.targets import UNASSIGNED, assign, overlaps, sample_boxes
from tests.reference_rule import numbers

CASES = numbers("assignment.json")["cases"]


def boxes(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize("name", CASES)
def test_assignment_equals_the_original(name: str) -> None:
    case = CASES[name]

    assigned = assign(boxes(case["gts"]), boxes(case["proposals"]))

    assert (assigned + 1).tolist() == case["assigned_gt_before_gt_added"]


def test_a_later_person_takes_its_best_proposal_at_just_the_threshold() -> None:
    ground_truth = boxes([[0, 0, 100, 95], [0, 0, 100, 90]])  # overlaps of 0.95 and 0.9

    assert assign(ground_truth, boxes([[0, 0, 100, 100]])).tolist() == [1]


@pytest.mark.parametrize("name", CASES)
def test_overlaps_equal_the_original_bit_for_bit(name: str) -> None:
    case = CASES[name]

    iou = overlaps(boxes(case["gts"]), boxes(case["proposals"]))

    if len(case["proposals"]):
        assert iou.max(axis=0).tolist() == boxes_column(case["max_iou"])


def boxes_column(values: list[float]) -> list[float]:
    return np.array(values, np.float32).tolist()


def together(lists: list[list[list[float]]]) -> tuple[np.ndarray, np.ndarray]:
    """[B, N, 4] boxes of several keyframes, zeros behind them, and their numbers."""
    numbers = np.array([len(rows) for rows in lists])
    padded = [boxes([*rows, *[[0, 0, 0, 0]] * (numbers.max() - len(rows))]) for rows in lists]
    return np.stack(padded), numbers


@pytest.mark.parametrize("name", CASES)
def test_sampled_boxes_are_the_original_positives(name: str) -> None:
    case = CASES[name]
    ground_truth, num_ground_truth = together([case["gts"]])
    proposals, _ = together([case["proposals"]])
    seed = 3 if name == "more_than_32_positives" else 4

    found = sample_boxes(ground_truth, num_ground_truth, proposals, 32, lambda _: seed)

    assert found.person.tolist() == case["pos_assigned_gt"]
    assert found.boxes.tolist() == boxes(case["rois"])[: case["n_pos"]].tolist()


def test_keyframes_together_give_what_each_gives_alone() -> None:
    cases = list(CASES.values())
    ground_truth, num_ground_truth = together([case["gts"] for case in cases])
    proposals, _ = together([case["proposals"] for case in cases])

    found = sample_boxes(ground_truth, num_ground_truth, proposals, 2, lambda keyframe: keyframe)

    assert max(num_ground_truth) > 2
    for number, case in enumerate(cases):
        own, own_number = together([case["gts"]])
        offered, _ = together([case["proposals"]])
        alone = sample_boxes(own, own_number, offered, 2, lambda _, seed=number: seed)
        mine = found.keyframe == number
        assert found.boxes[mine].tolist() == alone.boxes.tolist()
        assert found.person[mine].tolist() == alone.person.tolist()


def test_without_ground_truth_nothing_is_positive() -> None:
    nothing, proposal = boxes([]), boxes([[0, 0, 1, 1]])

    assert assign(nothing, proposal).tolist() == [UNASSIGNED]
