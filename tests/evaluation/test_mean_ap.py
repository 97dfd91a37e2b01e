"""Average precision by hand."""

import math

import numpy as np
import pytest

from pipeline.evaluation.mean_ap import average_precision, mean_ap, precision_recall


@pytest.mark.parametrize(
    ("hits", "num_ground_truth", "expected"),
    [
        ([True], 1, 1.0),
        ([False, True], 1, 1 / 2),
        ([True, False, True], 2, (1 + 2 / 3) / 2),
        ([False, True, True], 2, 2 / 3),  # the second hit's precision 2/3 covers the first's 1/2
        ([True], 4, 1 / 4),
        ([False, False], 3, 0.0),
        ([], 3, 0.0),
    ],
)
def test_average_precision_by_hand(hits, num_ground_truth, expected):
    assert average_precision(np.array(hits, dtype=bool), num_ground_truth) == pytest.approx(
        expected
    )


def test_an_action_without_ground_truth_has_no_average_precision():
    assert math.isnan(average_precision(np.array([False]), 0))


def test_mean_leaves_actions_without_ground_truth_out():
    assert mean_ap({1: 0.25, 2: math.nan, 3: 0.75}) == 0.5
    assert math.isnan(mean_ap({2: math.nan}))


def test_curve_is_interpolated():
    recall, precision = precision_recall(np.array([False, True, True, False, False, True]), 4)

    assert recall.tolist() == [0.25, 0.5, 0.75]
    assert precision == pytest.approx([2 / 3, 2 / 3, 1 / 2])


def test_curve_of_all_people_ends_at_one():
    assert [each.tolist() for each in precision_recall(np.array([True]), 1)] == [[1.0], [1.0]]
