"""Tables of clips, as they are written."""

import csv
import io

import pandas as pd
import pytest

from pipeline.clips import is_safe_name, write_table


@pytest.mark.parametrize(
    "text", ["plain", "a,b", 'say "a"', "two\nlines", "two\r\nlines", " ü ", ""]
)
def test_a_table_is_written_as_pythons_own_writer_would(tmp_path, text):
    table = pd.DataFrame(
        {
            "clip": ["a", "b", "c"],
            "reason": [text, "", "x"],
            "seconds": [900.0, 0.1 + 0.2, 1e22],
            "frames": [3, -1, 0],
        }
    ).astype({"clip": "str", "reason": "str"})
    expected = io.StringIO(newline="")
    rows = csv.writer(expected, lineterminator="\n")
    rows.writerows([table.columns, *table.to_numpy(object).tolist()])

    write_table(tmp_path / "t.csv", table)

    assert (tmp_path / "t.csv").read_bytes().decode() == expected.getvalue()
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("name", ["caf\udce9.txt", "a_000001_000011.mp\udcff", "\udcff", ""])
def test_name_that_is_not_utf8_is_not_safe(name):
    assert not is_safe_name(name)


@pytest.mark.parametrize(("length", "safe"), [(100, True), (101, False)])
def test_length_of_a_name_counts_in_bytes(length, safe):
    assert is_safe_name("é" * length) is safe
