"""The envelope holds every order of equal scores, and single actions reach its ends."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation import protocols
from pipeline.evaluation.protocols import Protocol
from tests.evaluation.small_tables import FEW, score
from tests.evaluation.test_properties import ACTION, SOLID, TIME, VIDEO
from tests.textbook_map import textbook_map

TIED = st.sampled_from([0.2, 0.5])
GROUND_TRUTH = st.lists(st.tuples(VIDEO, TIME, SOLID, ACTION, st.none()), max_size=8)
ROWS = st.lists(st.tuples(st.just("a"), TIME, SOLID, ACTION, TIED), max_size=12)
LIMITS = pytest.mark.parametrize("max_rows", [None, 2, 4])


@pytest.fixture(scope="module", autouse=True)
def limits():
    with pytest.MonkeyPatch.context() as patch:
        for max_rows in (None, 2, 4):
            patch.setitem(protocols.PROTOCOLS, f"limit {max_rows}", Protocol(max_rows=max_rows))
        yield


def in_order(rows, places):
    """The same rows with equal scores told apart by a hair, as the places say."""
    return [(*row[:4], row[4] - 1e-9 * place) for row, place in zip(rows, places, strict=True)]


@LIMITS
@given(rows=ROWS, ground_truth=GROUND_TRUTH, random=st.randoms())
@settings(deadline=None, max_examples=40)
def test_no_order_of_ties_leaves_the_envelope(max_rows, rows, ground_truth, random):
    scores = score(rows, ground_truth, f"limit {max_rows}")
    lowest, highest = scores.tie_envelope

    for _ in range(6):
        places = random.sample(range(len(rows)), len(rows))
        value, _ = textbook_map(in_order(rows, places), ground_truth, FEW, max_rows)

        if not math.isnan(scores.mAP):
            assert lowest - 1e-12 <= value <= highest + 1e-12
            assert lowest - 1e-12 <= scores.mAP <= highest + 1e-12


@LIMITS
@given(
    rows=st.lists(st.tuples(st.just("a"), TIME, st.integers(0, 3), TIED), max_size=5, unique=True),
    ground_truth=st.lists(st.tuples(TIME, st.integers(0, 3)), min_size=1, max_size=4, unique=True),
)
@settings(deadline=None, max_examples=20)
def test_one_action_reaches_both_ends(max_rows, rows, ground_truth):
    def box(place):  # side by side, so no two detections ask for the same box unless they are one
        return (place, 0.0, place + 1.0, 1.0)

    ground_truth = [("a", time, box(place), 1, None) for time, place in ground_truth]
    found = {(video, time, place): value for video, time, place, value in rows}
    rows = [(video, time, box(place), 1, value) for (video, time, place), value in found.items()]
    orders = itertools.permutations(range(len(rows)))
    values = [
        textbook_map(in_order(rows, order), ground_truth, FEW, max_rows)[0] for order in orders
    ]

    envelope = score(rows, ground_truth, f"limit {max_rows}").tie_envelope

    assert envelope == pytest.approx((min(values), max(values)), abs=1e-12)


def test_equals_at_the_limit_by_hand():
    # Two places are left for three equals: a hit, a miss, and a row of an action without ground
    # truth.
    whole, aside = (0.0, 0.0, 1.0, 1.0), (2.0, 0.0, 3.0, 1.0)
    ground_truth = [("a", 1.0, whole, 1, None), ("a", 2.0, whole, 1, None)]
    first = ("a", 2.0, whole, 1, 0.9)
    equals = [("a", 1.0, whole, 1, 0.5), ("a", 1.0, aside, 1, 0.5), ("a", 1.0, aside, 3, 0.5)]

    lowest, highest = score([first, *equals], ground_truth, "limit 2").tie_envelope

    # Luck keeps hit and other action: 1/1 and 2/2. Bad luck keeps miss and other action: 1/1.
    assert (lowest, highest) == (1 / 2, 1.0)
