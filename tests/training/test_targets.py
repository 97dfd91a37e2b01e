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


@pytest.mark.parametrize("name", CASES)
def test_overlaps_equal_the_original_bit_for_bit(name: str) -> None:
    case = CASES[name]

    iou = overlaps(boxes(case["gts"]), boxes(case["proposals"]))

    if len(case["proposals"]):
        assert iou.max(axis=0).tolist() == boxes_column(case["max_iou"])


def boxes_column(values: list[float]) -> list[float]:
    return np.array(values, np.float32).tolist()


@pytest.mark.parametrize("name", CASES)
def test_sampled_boxes_are_the_original_positives(name: str) -> None:
    case = CASES[name]
    seed = 3 if name == "more_than_32_positives" else 4

    found, people = sample_boxes(boxes(case["gts"]), boxes(case["proposals"]), 32, seed)

    assert people.tolist() == case["pos_assigned_gt"]
    assert found.tolist() == boxes(case["rois"])[: case["n_pos"]].tolist()


def test_without_truth_nothing_is_positive() -> None:
    nothing, proposal = boxes([]), boxes([[0, 0, 1, 1]])

    assert assign(nothing, proposal).tolist() == [UNASSIGNED]
