"""What must hold of any detections; few values on purpose, so that ties and halves are common."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation import protocols
from pipeline.evaluation.mean_ap import Row, plain_mean_ap
from pipeline.evaluation.protocols import Protocol
from pipeline.evaluation.uncertainty import draw_videos, resampled_mean_ap
from tests.evaluation.small_tables import FEW, WHOLE, score

PROTOCOLS = ["official", "uncapped", "mmaction2"]
CORNER = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
BOXES = st.tuples(CORNER, CORNER, CORNER, CORNER)
SOLID = st.sampled_from(
    [
        (x1, y1, x2, y2)
        for x1 in (0.0, 0.25)
        for y1 in (0.0, 0.5)
        for x2 in (0.5, 1.0)
        for y2 in (0.75, 1.0)
    ]
)
VIDEO, TIME = st.sampled_from(["a", "b", "c"]), st.sampled_from([1.0, 2.0, 4.0])
ACTION = st.sampled_from([1, 3, 2])  # 2 never counts
SCORE = st.sampled_from([-1.5, -0.0, 0.0, 0.1, 0.2, 0.5, 0.9, math.inf])
GROUND_TRUTH = st.lists(st.tuples(VIDEO, TIME, SOLID, ACTION, st.none()), max_size=10)
DETECTIONS = st.lists(st.tuples(VIDEO, TIME, BOXES, ACTION, SCORE), max_size=14)
CROWD = st.lists(
    st.tuples(st.just("a"), st.just(1.0), st.one_of(SOLID, BOXES), ACTION, SCORE), max_size=20
)


def plain(tables, max_rows):
    detections, ground_truth = (list(map(Row._make, rows)) for rows in tables)
    return plain_mean_ap(detections, ground_truth, FEW, max_rows)


@pytest.fixture(scope="module", autouse=True)
def three_rows():
    """A protocol with a limit that small tables reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(protocols.PROTOCOLS, "three", Protocol(max_rows=3))
        yield


@pytest.mark.parametrize(("protocol", "max_rows"), [("uncapped", None), ("three", 3)])
@given(detections=DETECTIONS, crowd=CROWD, ground_truth=GROUND_TRUTH)
@settings(deadline=None, max_examples=50)
def test_fast_form_agrees_with_the_plain_one(protocol, max_rows, detections, crowd, ground_truth):
    expected_map, expected = plain(([*detections, *crowd], ground_truth), max_rows)

    scores = score([*detections, *crowd], ground_truth, protocol)

    assert scores.mAP == pytest.approx(expected_map, abs=1e-12, nan_ok=True)
    assert scores.per_class == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(st.lists(st.tuples(VIDEO, BOXES, ACTION, SCORE), min_size=52, max_size=70), GROUND_TRUTH)
@settings(deadline=None, max_examples=15)
def test_official_protocol_is_the_plain_form_with_fifty_rows(crowd, ground_truth):
    detections = [("a", 1.0, box, action, score) for _, box, action, score in crowd]
    ground_truth = [*ground_truth, ("a", 1.0, WHOLE, 1, None)]
    expected_map, _ = plain((detections, ground_truth), max_rows=50)

    assert score(detections, ground_truth).mAP == pytest.approx(expected_map, abs=1e-12)


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "three"])
@given(detections=DETECTIONS, crowd=CROWD, ground_truth=GROUND_TRUTH, random=st.randoms())
@settings(deadline=None, max_examples=20)
def test_order_of_rows_and_classes_changes_nothing(
    protocol, detections, crowd, ground_truth, random
):
    detections = [*detections, *crowd]
    before = score(detections, ground_truth, protocol)
    random.shuffle(detections)
    random.shuffle(ground_truth)
    after = score(detections, ground_truth, protocol, dict(reversed(FEW.items())))

    np.testing.assert_equal(after.per_class, before.per_class)
    draws = draw_videos(len(before.matches.video_ids), 20)
    resampled = resampled_mean_ap(before.matches, draws)
    np.testing.assert_equal(resampled_mean_ap(after.matches, draws), resampled)


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "three"])
@given(detections=DETECTIONS, ground_truth=GROUND_TRUTH, random=st.randoms())
@settings(deadline=None, max_examples=20)
def test_names_of_videos_and_classes_change_nothing(protocol, detections, ground_truth, random):
    # Names decide the order of equal scores, so these differ.
    places = random.sample(range(100), len(detections))
    detections = [(*row[:4], place / 100) for row, place in zip(detections, places, strict=True)]
    videos, actions = {"a": "z", "b": "m", "c": "b"}, {1: 3, 3: 1, 2: 2}

    def renamed(rows):
        return [(videos[v], t, box, actions[action], s) for v, t, box, action, s in rows]

    before = score(detections, ground_truth, protocol).per_class
    after = score(renamed(detections), renamed(ground_truth), protocol).per_class

    np.testing.assert_equal(after, {3: before[1], 1: before[3]})


@given(DETECTIONS, GROUND_TRUTH, VIDEO, TIME, SCORE)
@settings(deadline=None, max_examples=20)
def test_a_false_positive_never_raises_ap(detections, ground_truth, video, time, value):
    nowhere = (2.0, 2.0, 3.0, 3.0)
    before = score(detections, ground_truth, "uncapped")

    after = score([*detections, (video, time, nowhere, 1, value)], ground_truth, "uncapped")

    assert math.isnan(before.mAP) or after.mAP <= before.mAP + 1e-12
    assert math.isnan(before.per_class[1]) or after.per_class[1] <= before.per_class[1] + 1e-12
    np.testing.assert_equal(after.per_class[3], before.per_class[3])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(ground_truth=GROUND_TRUTH)
@settings(deadline=None, max_examples=20)
def test_the_ground_truth_itself_scores_one(protocol, ground_truth):
    distinct = list(dict.fromkeys([*ground_truth, ("a", 1.0, WHOLE, 1, None)]))

    perfect = score([(*row[:4], 0.5) for row in distinct], distinct, protocol)

    assert perfect.mAP == 1.0


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(
    left=st.integers(0, 64), top=st.integers(0, 64), half=st.integers(1, 64), high=st.integers(1, 9)
)
@settings(deadline=None, max_examples=20)
def test_half_a_box_is_a_hit_and_a_hair_less_is_not(protocol, left, top, half, high):
    # Multiples of 1/256 are exact, in float32 too.
    x1, y1, x2, y2 = left / 256, top / 256, (left + 2 * half) / 256, (top + high) / 256
    ground_truth = [("a", 1.0, (x1, y1, x2, y2), 1, None)]
    middle = (left + half) / 256

    def hit(right):
        return score([("a", 1.0, (x1, y1, right, y2), 1, 0.5)], ground_truth, protocol).mAP

    assert hit(middle) == 1.0
    assert hit(middle - 2**-12) == 0.0
