"""Rows of a keyframe within the limit, and equals that competed for the last places."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.boxes import Boxes
from pipeline.evaluation.limit import within_limit

CORNERS = ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 1.0), (0.25, 0.0, 1.0, 1.0))
ROWS = st.lists(  # keyframe, action, score, box: few of each, so that ties are the rule
    st.tuples(
        st.integers(0, 2), st.integers(0, 1), st.sampled_from([0.1, 0.2, 0.9]), st.integers(0, 2)
    ),
    max_size=16,
)


def as_boxes(rows):
    keyframe, action, score, box = (np.array([row[n] for row in rows]) for n in range(4))
    corners = np.array(CORNERS)[box.astype(int)].reshape(-1, 4).T
    return Boxes(
        keyframe.astype(np.int64),
        action.astype(np.int64),
        score.astype(np.float64),
        np.arange(len(rows)),
        tuple(corners),
    )


def rank(row):
    _, action, score, box = row
    x1, y1, x2, y2 = CORNERS[box]
    return -score, y1, x1, y2, x2, action


@pytest.mark.parametrize("in_order", [True, False])
@given(ROWS, st.integers(1, 5))
@settings(deadline=None, max_examples=150)
def test_kept_are_the_first_rows_in_rank(in_order, rows, limit):
    rows = sorted(rows, key=lambda row: row[0]) if in_order else rows
    expected = Counter()
    for keyframe in {row[0] for row in rows}:
        expected += Counter(sorted((row for row in rows if row[0] == keyframe), key=rank)[:limit])

    kept = within_limit(as_boxes(rows), limit).row

    assert Counter(row for row, is_kept in zip(rows, kept, strict=True) if is_kept) == expected


@pytest.mark.parametrize("in_order", [True, False])
@given(ROWS, st.integers(1, 5))
@settings(deadline=None, max_examples=150)
def test_tied_are_the_equals_that_do_not_all_find_a_place(in_order, rows, limit):
    rows = sorted(rows, key=lambda row: row[0]) if in_order else rows
    expected = {}
    for place, (keyframe, _, score, _) in enumerate(rows):
        scores = [row[2] for row in rows if row[0] == keyframe]
        places = limit - sum(value > score for value in scores)
        if 0 < places < scores.count(score):
            expected[place] = places, scores.count(score)

    tied = within_limit(as_boxes(rows), limit).tied

    found = zip(tied.places.tolist(), tied.rivals.tolist(), strict=True)
    assert dict(zip(tied.row.tolist(), found, strict=True)) == expected
