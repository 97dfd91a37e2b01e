"""Tables of clips, as they are written."""

import csv
import io

import pandas as pd
import pytest

from pipeline.clips import COLUMNS, is_safe_name, read_clips, write_clips, write_table


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


def test_a_clip_table_comes_back_as_it_was_written(tmp_path):
    rows = [
        ["p", "train", "b", "v", 0.1 + 0.2, float("inf"), 0.0, 'say, "a"', "1-70 181-250", "00"],
        ["p", "pretrain", "-5K", "NA", 1e22, 902.0, 900.0, "", "", ""],
    ]
    table = pd.DataFrame(rows[::-1], columns=list(COLUMNS)).astype(COLUMNS)

    write_clips(table, tmp_path / "clips.csv")
    write_clips(table[:0], tmp_path / "none.csv")

    pd.testing.assert_frame_equal(read_clips(tmp_path / "clips.csv"), table)
    pd.testing.assert_frame_equal(read_clips(tmp_path / "none.csv"), table[:0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Empty CSV file, expected a clip table"),
        ("clip,video_id\na,b\n", r"found columns \['clip', 'video_id'\], expected"),
        (",".join(COLUMNS) + "\na,b\n", "Expected 10 columns, got 2.*, expected a clip table"),
        (",".join(COLUMNS) + "\np,train,c,v,soon,1,0,,,\n", "conversion error to double.*'soon'"),
    ],
)
def test_what_is_no_clip_table_is_refused_by_name(tmp_path, text, message):
    (tmp_path / "clips.csv").write_text(text)

    with pytest.raises(ValueError, match=rf"clips\.csv: .*{message}"):
        read_clips(tmp_path / "clips.csv")
