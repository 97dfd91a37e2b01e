"""csv tables with checked columns, texts found among texts, and ranges of rows."""

import numpy as np
import pandas as pd
import pytest

from pipeline.core.tables import joined_ranges, positions, read_table, spelled_out, write_table

COLUMNS = ("clip", "status", "reason")


def test_a_table_comes_back_with_its_commas_quotes_and_line_ends(tmp_path):
    rows = [("a", "ok", ""), ("b", "missing", 'said "no", twice\nand left')]

    write_table(tmp_path / "t.csv", COLUMNS, rows)

    assert list(read_table(tmp_path / "t.csv", COLUMNS)) == [
        dict(zip(COLUMNS, row, strict=True)) for row in rows
    ]
    assert (tmp_path / "t.csv").read_bytes().startswith(b"clip,status,reason\na,ok,\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clip,status\n", r"t\.csv: found columns \['clip', 'status'\], expected \['clip', 'st"),
        ("", r"t\.csv: found columns \[\], expected"),
        ("clip,status,reason\na,ok,\nb,ok\n", r"t\.csv: line 3: found 2 values, expected 3"),
        ("clip,status,reason\na,ok,,\n", r"t\.csv: line 2: found 4 values, expected 3"),
    ],
)
def test_another_table_is_refused_in_one_line(tmp_path, text, expected):
    (tmp_path / "t.csv").write_text(text)

    with pytest.raises(ValueError, match=expected):
        list(read_table(tmp_path / "t.csv", COLUMNS))


def test_ranges_follow_one_another():
    rows = joined_ranges(np.array([5, 0, 7]), np.array([2, 0, 3]))

    assert rows.tolist() == [5, 6, 7, 8, 9]


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
