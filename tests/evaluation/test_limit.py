"""Rows of a keyframe within the limit."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.boxes import Boxes
from pipeline.evaluation.mean_ap import Row, best_rows, best_rows_first
from pipeline.evaluation.ranking import within_limit
from tests.evaluation.small_tables import WHOLE

KEYFRAMES = [("a", 1.0), ("a", 2.0), ("b", 1.0)]
BOX = st.sampled_from([WHOLE, (0.0, 0.0, 0.5, 1.0), (0.25, 0.0, 1.0, 1.0)])
ROWS = st.lists(  # few of each, so that ties are the rule
    st.tuples(
        st.sampled_from(KEYFRAMES), BOX, st.integers(0, 1), st.sampled_from([0.1, 0.2, 0.9])
    ).map(lambda row: (*row[0], *row[1:])),
    max_size=16,
)


def as_boxes(rows):
    return Boxes(
        np.array([KEYFRAMES.index(row[:2]) for row in rows], np.int64),
        np.array([row[3] for row in rows], np.int64),
        np.array([row[4] for row in rows], np.float64),
        np.arange(len(rows)),
        tuple(np.array([row[2] for row in rows], np.float64).reshape(-1, 4).T),
    )


@pytest.mark.parametrize("in_order", [True, False])
@given(ROWS, st.integers(1, 5))
@settings(deadline=None, max_examples=150)
def test_kept_are_the_first_rows_in_rank(in_order, rows, limit):
    rows = sorted(rows, key=lambda row: row[:2]) if in_order else rows

    kept = within_limit(as_boxes(rows), limit)

    found = Counter(row for row, is_kept in zip(rows, kept, strict=True) if is_kept)
    assert found == Counter(best_rows(best_rows_first(map(Row._make, rows)), limit))
