"""A resample must be worth what scoring the drawn videos would give."""

import math

import numpy as np
import pytest

from pipeline.evaluation import uncertainty
from pipeline.evaluation.matching import Matches
from pipeline.evaluation.mean_ap import mean_ap, per_class_ap
from pipeline.evaluation.protocols import PROTOCOLS
from pipeline.evaluation.uncertainty import (
    draw_videos,
    few_videos_factor,
    interval,
    paired_step,
    resampled_mean_ap,
    step_of,
    why_no_interval,
)


def matches(seed, num_videos=6, num_rows=200):
    random = np.random.default_rng(seed)
    action = np.sort(random.integers(0, 3, num_rows))
    score = random.permutation(num_rows) / num_rows
    order = np.lexsort((-score, action))
    hit = random.random(num_rows) < 0.3
    video = random.integers(0, num_videos, num_rows)
    num_ground_truth = np.zeros((3, num_videos), dtype=np.int64)
    np.add.at(num_ground_truth, (action[hit], video[hit]), 1)
    ids = np.array([f"v{number}" for number in range(num_videos)], dtype=object)
    actions = np.array([1, 3, 9])
    return Matches(
        actions,
        ids,
        num_ground_truth + 1,
        action[order],
        video[order],
        score[order],
        hit[order],
        {},
    )


def only(found, kept_videos):
    """The matches of some videos, each once."""
    rows = np.isin(found.video, kept_videos)
    ground_truth = np.zeros_like(found.num_ground_truth)
    ground_truth[:, kept_videos] = found.num_ground_truth[:, kept_videos]
    columns = (column[rows] for column in (found.action, found.video, found.score, found.hit))
    return Matches(found.action_ids, found.video_ids, ground_truth, *columns, {})


@pytest.mark.parametrize("many_videos", [0, 1000])
def test_a_resample_equals_scoring_its_videos(monkeypatch, many_videos):
    monkeypatch.setattr(uncertainty, "MANY_VIDEOS", many_videos)  # both ways of counting
    found = matches(1)
    draws = np.array([[1, 1, 1, 1, 1, 1], [1, 0, 1, 0, 0, 1]])

    values = resampled_mean_ap(found, draws)

    rules = PROTOCOLS["uncapped"]
    expected = [mean_ap(per_class_ap(part, rules)) for part in (found, only(found, [0, 2, 5]))]
    assert values == pytest.approx(expected, abs=1e-12)


def test_a_video_drawn_twice_weighs_twice():
    # One action; video 0: a hit and one ground truth box; video 1: a better-ranked miss and one
    # ground truth box.
    found = Matches(
        action_ids=np.array([1]),
        video_ids=np.array(["a", "b"], dtype=object),
        num_ground_truth=np.array([[1, 1]]),
        action=np.array([0, 0]),
        video=np.array([1, 0]),
        score=np.array([0.9, 0.8]),
        hit=np.array([False, True]),
        counts={},
    )

    values = resampled_mean_ap(found, np.array([[1, 1], [2, 0], [0, 2], [0, 0]]))

    np.testing.assert_allclose(values, [1 / 2 / 2, 1.0, 0.0, np.nan])


def test_draws_are_whole_resamples_and_repeat():
    draws = draw_videos(7, 40, seed=3)

    assert draws.shape == (40, 7)
    assert set(draws.sum(axis=1)) == {7}
    np.testing.assert_array_equal(draws, draw_videos(7, 40, seed=3))


def test_interval_reaches_as_far_as_the_farther_percentile():
    values = np.append(np.arange(1001.0), np.nan)  # percentiles 25 and 975

    found = interval(values, 400.0, 10**9, -math.inf, math.inf)

    assert (found.low, found.high) == pytest.approx((400 - 575, 400 + 575))


def test_interval_of_few_videos_stays_within_what_is_possible():
    found = interval(np.array([0.2, 0.9]), 0.5, 2, 0.0, 1.0)

    assert (found.low, found.high) == (0.0, 1.0)


@pytest.mark.parametrize("num_videos", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_up_to_three_videos_have_intervals_of_possible_values_or_none_and_why(num_videos, seed):
    found, other = matches(seed, num_videos), matches(seed + 5, num_videos)
    draws = draw_videos(num_videos, 100)
    values = resampled_mean_ap(found, draws)
    change = resampled_mean_ap(other, draws) - values

    alone = interval(values, float(values[0]), num_videos)
    step = step_of(float(change[0]), change, num_videos).interval

    if num_videos == 1:
        assert (alone, step) == (None, None)
        assert why_no_interval(1, 100) == "one video tells nothing of others"
    else:
        assert 0.0 <= alone.low <= alone.high <= 1.0
        assert -1.0 <= step.low <= step.high <= 1.0
        assert why_no_interval(num_videos, 100) == ""


# Student's quantiles at 97.5 % for V - 1 degrees of freedom, from a printed table.
@pytest.mark.parametrize(
    ("num_videos", "student"), [(3, 4.3027), (5, 2.7764), (20, 2.0930), (64, 1.9983)]
)
def test_few_videos_widen_the_interval_as_student_says(num_videos, student):
    factor = math.sqrt(num_videos / (num_videos - 1)) * student / 1.959964

    assert few_videos_factor(num_videos) == pytest.approx(factor, rel=1e-4)


@pytest.mark.parametrize(
    ("values", "estimate", "num_videos"),
    [([np.nan], 0.5, 9), ([0.5, 0.5], 0.5, 1), ([], 0.5, 9), ([0.5], math.nan, 9)],
)
def test_nothing_to_tell_is_no_interval(values, estimate, num_videos):
    assert interval(np.array(values), estimate, num_videos) is None


def test_share_of_flipped_signs():
    step = step_of(0.1, np.array([0.2, 0.1, -0.1, 0.0]), 4)

    assert step.share_sign_changes == 0.5
    assert step.interval.low < 0 < step.interval.high


def test_a_variant_against_itself_differs_by_nothing():
    step = paired_step(matches(2), matches(2), 0.0, draw_videos(6, 100))

    assert (step.interval.low, step.interval.high) == (0.0, 0.0)


def test_variants_on_other_videos_cannot_be_paired():
    with pytest.raises(ValueError, match="expected the same ground truth"):
        paired_step(matches(2), matches(2, num_videos=5), 0.0, draw_videos(6, 10))
