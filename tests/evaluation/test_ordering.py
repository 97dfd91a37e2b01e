"""One whole number per row must tell rows apart exactly as the columns do."""

import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.evaluation.ranking import best_first

FLOATS = st.one_of(
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 0.5, math.nextafter(0.5, 1), math.nextafter(0.5, 0), math.inf]),
)


@given(
    rows=st.lists(st.tuples(st.integers(0, 70_000), FLOATS), max_size=40), one_group=st.booleans()
)
@example(rows=[(0, -0.0), (0, 0.0), (0, -0.0)], one_group=True)
@example(rows=[(2, -0.5), (1, 0.5), (2, -1.0), (1, -0.0)], one_group=False)
@settings(deadline=None, max_examples=150)
def test_order_is_that_of_the_columns(rows, one_group):
    group = np.array([0 if one_group else number for number, _ in rows], dtype=np.int64)
    score = np.array([value for _, value in rows], dtype=np.float64)

    order = best_first(group, 70_001, score)

    assert order.tolist() == sorted(
        range(len(rows)), key=lambda row: (group[row], -score[row], row)
    )
