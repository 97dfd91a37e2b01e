"""Tables of clips, as they are written."""

import csv
import io

import pandas as pd
import pytest

from pipeline.clips import write_table


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
