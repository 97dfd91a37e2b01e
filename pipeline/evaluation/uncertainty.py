"""How far the videos that happen to be in a split move its mAP: a bootstrap over videos.

Keyframes of one video are alike, so whole videos are drawn with replacement, never keyframes. A
video drawn twice counts twice, on both sides. Two variants are compared on the same draws (paired),
which takes out the part of the luck that they share.

Plain percentile intervals hold the ground truth too rarely here. A resample sees some 63 % of the
videos, some of them twice, which moves its mAP to one side, and it spreads less than fresh videos
would. So an interval is symmetric about the estimate, as wide as the farther of the two percentiles
demands (P. Hall, On symmetric bootstrap confidence intervals, 1988), and widened for few videos by
sqrt(V / (V - 1)) and by Student's t (T. Hesterberg, What teachers should know about the bootstrap,
2015). `benchmarks/bootstrap_coverage.py` measures how often it holds a known difference.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.annotated_keyframes import Bools, Floats, Ints
from pipeline.evaluation.matching import Matches

PERCENT = (2.5, 97.5)
MANY_VIDEOS = 1000
CHUNK = 250  # resamples at a time: bounds the memory, changes no number


def draw_videos(num_videos: int, num_resamples: int, seed: int = 0) -> Ints:
    """Return [R, V] how often each video is drawn in each resample."""
    random = np.random.default_rng(seed)
    if num_videos == 0:
        return np.zeros((num_resamples, 0), dtype=np.int64)
    return random.multinomial(num_videos, np.full(num_videos, 1 / num_videos), num_resamples)


def resampled_mean_ap(matches: Matches, draws: Ints) -> Floats:
    """Return [R] the mAP of each resample, over the actions that have ground truth in it.

    Args:
        draws: [R, V] of `draw_videos`, columns in the order of `matches.video_ids`.
    """
    means = [_mean_ap_of(matches, part) for part in _chunks(draws)]
    return np.concatenate(means) if means else np.zeros(0)


def _chunks(draws: Ints) -> list[Floats]:
    weights = draws.astype(np.float64)  # whole numbers stay exact, and the product below is BLAS's
    return [weights[start : start + CHUNK] for start in range(0, len(weights), CHUNK)]


def _mean_ap_of(matches: Matches, weights_RV: Floats) -> Floats:
    total, known = np.zeros(len(weights_RV)), np.zeros(len(weights_RV))
    for position, rows in enumerate(matches.ranges()):
        ground_truth_R = weights_RV @ matches.num_ground_truth[position]
        has_ground_truth = ground_truth_R > 0
        area = _area(matches.hit[rows], matches.video[rows], weights_RV)
        total[has_ground_truth] += area[has_ground_truth] / ground_truth_R[has_ground_truth]
        known += has_ground_truth
    with np.errstate(invalid="ignore"):
        return total / known


def _area(hit: Bools, video: Ints, weights_RV: Floats) -> Floats:
    """Return [R] sum over the hits of their interpolated precision, of one action.  H hits"""
    at = np.flatnonzero(hit)
    if len(at) == 0:
        return np.zeros(len(weights_RV))
    detected_RH = _detected(at, video[: at[-1] + 1], weights_RV)
    weight_RH = weights_RV[:, video[at]]
    hits_RH = np.cumsum(weight_RH, axis=1)
    # Before the first drawn detection there is nothing to divide; such a hit has weight 0.
    precision_RH = hits_RH / np.maximum(detected_RH, 1)
    best_RH = np.maximum.accumulate(precision_RH[:, ::-1], axis=1)[:, ::-1]
    area: Floats = (weight_RH * best_RH).sum(axis=1)
    return area


def _detected(at_H: Ints, video_N: Ints, weights_RV: Floats) -> Floats:
    """[R, H] weight of the detections up to and including each hit: what its precision divides by.

    Both ways add the same whole numbers: a table of counts per video suits a few hundred videos of
    many keyframes (AVA), a walk over the rows suits tens of thousands of one keyframe (Kinetics).
    """
    num_videos = weights_RV.shape[1]
    if num_videos > MANY_VIDEOS:
        starts = np.concatenate([[0], at_H[:-1] + 1])
        between = [np.add.reduceat(weights_V[video_N], starts) for weights_V in weights_RV]
        return np.cumsum(between, axis=1)
    prefix = np.searchsorted(at_H, np.arange(len(video_N)))
    counts = np.bincount(prefix * num_videos + video_N, minlength=len(at_H) * num_videos)
    upto_HV = np.cumsum(counts.reshape(len(at_H), num_videos), axis=0).astype(np.float64)
    detected_RH: Floats = weights_RV @ upto_HV.T
    return detected_RH


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


def interval(
    values: Floats,
    estimate: float,
    num_videos: int,
    least: float = 0.0,
    most: float = 1.0,
) -> Interval | None:
    """Return the 95 % interval about an estimate, or None when nothing can be told.

    Args:
        values: [R] the same in every resample, NaN where it has none.
        estimate: of all the videos, each once.
        num_videos: behind the estimate; fewer than two tell nothing about others.
        least, most: values that are possible, those of an mAP; the interval is cut there.
    """
    known = values[~np.isnan(values)]
    if len(known) == 0 or num_videos < 2 or math.isnan(estimate):
        return None
    low, high = np.percentile(known, PERCENT)
    reach = max(estimate - low, high - estimate) * few_videos_factor(num_videos)
    return Interval(float(max(estimate - reach, least)), float(min(estimate + reach, most)))


def why_no_interval(num_videos: int, num_resamples: int) -> str:
    """Return why `interval` has nothing to tell, in words; empty where it should have."""
    if num_resamples == 0:
        return "no resamples were wanted"
    if num_videos < 2:
        return "one video tells nothing of others" if num_videos else "there is no video"
    return ""


def few_videos_factor(num_videos: int) -> float:
    """Return how much wider an interval from V videos is than the bootstrap's: 1 for many."""
    from scipy.special import ndtri, stdtrit  # here: half a second that most commands do not need

    freedom = num_videos - 1
    students_t, normal = stdtrit(freedom, PERCENT[1] / 100), ndtri(PERCENT[1] / 100)
    return math.sqrt(num_videos / freedom) * float(students_t / normal)


@dataclass(frozen=True)
class Step:
    """Difference of two variants on the same ground truth."""

    difference: float
    interval: Interval | None
    share_sign_changes: float  # resamples in which the difference has the other sign, or is zero


def paired_step(before: Matches, after: Matches, difference: float, draws: Ints) -> Step:
    """Return the uncertainty of a difference between two variants, from paired resamples.

    Args:
        before, after: the matched detections of both, on the same ground truth.
        difference: mAP of `after` minus mAP of `before`, on all videos.
        draws: [R, V] of `draw_videos`, the same resamples for both.

    Raises:
        ValueError: the two have other videos.
    """
    if list(before.video_ids) != list(after.video_ids):
        raise ValueError(
            "paired bootstrap: found two sets of videos, expected the same ground truth"
        )
    values = resampled_mean_ap(after, draws) - resampled_mean_ap(before, draws)
    return step_of(difference, values, len(before.video_ids))


def step_of(difference: float, values: Floats, num_videos: int) -> Step:
    """Return the same from the [R] differences of the resamples."""
    known = values[~np.isnan(values)]
    changed = float((known * difference <= 0).mean()) if len(known) else float("nan")
    return Step(difference, interval(values, difference, num_videos, -1.0, 1.0), changed)
