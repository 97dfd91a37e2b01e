"""Texts found among texts, and categories spelled out."""

import pandas as pd
import pytest

from pipeline.core.text_columns import positions, spelled_out


@pytest.mark.parametrize("kind", ["str", "object", "category"])
def test_texts_are_found_where_they_first_stand(kind):
    texts = pd.Series(["b", "nowhere", "a", "", "b"], dtype=kind)

    assert positions(texts, pd.Index(["a", "b", "", "b"])).tolist() == [1, -1, 0, 2, 1]
    assert positions(texts, pd.Index([])).tolist() == [-1] * 5
    assert positions(pd.Series([], dtype=kind), pd.Index(["a"])).tolist() == []


@pytest.mark.parametrize("kind", ["str", "object", "category"])
def test_spelled_out_texts_are_the_same_ones_in_their_rows(kind):
    texts = pd.Series(["b", "a", "b"], index=[7, 8, 9], name="clip", dtype=kind)

    expected = pd.Series(["b", "a", "b"], index=[7, 8, 9], name="clip", dtype="str")
    pd.testing.assert_series_equal(spelled_out(texts), expected)
    assert spelled_out(texts[:0]).tolist() == []
