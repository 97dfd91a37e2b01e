"""Files as they come: other line ends, other widths of row, broken text, compression."""

import csv
import gzip

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.annotations import csv_columns
from pipeline.annotations.ava_csv import read_detections, read_exclusions, read_ground_truth

PLAIN = "a,0902,0.1,0.2,0.3,0.4,12,0.5\nb,903.5,0,0,1,1,80,0.25\n"


@pytest.fixture
def file(tmp_path):
    def write(content, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + PLAIN.encode(),  # byte order mark
        PLAIN.replace("\n", "\r\n"),
        PLAIN.rstrip("\n"),
        PLAIN.replace("a,", '"a",'),
        PLAIN.replace("0.25", " 0.25 "),  # as Python's float takes it
        PLAIN.replace("0.25", "2_5e-2"),
    ],
)
def test_harmless_differences_change_nothing(file, content):
    expected = read_detections(file(PLAIN, "plain.csv"))

    pd.testing.assert_frame_equal(read_detections(file(content)), expected)


def test_compressed_file_is_read(file):
    expected = read_detections(file(PLAIN, "plain.csv"))

    packed = read_detections(file(gzip.compress(PLAIN.encode()), "file.csv.gz"))

    pd.testing.assert_frame_equal(packed, expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN + "\n" + PLAIN, "row 3: found 0 columns, expected 2, 7 or 8"),
        (PLAIN + " \n", "row 3: found 1 columns, expected 2, 7 or 8"),
        (PLAIN + "a\0b,1,0,0,1,1,3,0.5\n", r"row 3: found video_id 'a\\x00b', expected text"),
        (PLAIN + "a,1,0,0,1,1,3,0\0\n", r"row 3: found score '0\\x00', expected a number"),
        (PLAIN.encode() + b"\xff,1,0,0,1,1,3,0.5\n", r"row 3: found video_id '\\udcff', expected"),
        (PLAIN + "a,1,0,0,1,1,99999999999999999999,1\n", "row 3: found action_id '9+', expected"),
        (PLAIN + "a,1e9,0,0,1,1,3,1\n", "row 3: found timestamp 1e\\+09, expected seconds"),
        (PLAIN + 'a,1,0,0,1,1,3,"' + "x" * 200_000, "row 3: found field larger than"),
        (PLAIN + "a,1,0,0,1,1,-3,1\n", "row 3: found action_id -3, expected 1 or more"),
        (PLAIN + "a,1,nan,0,1,1,0,1\n", "row 3: found action_id 0, expected 1 or more"),
    ],
)
def test_broken_file_names_file_and_row(file, content, message):
    with pytest.raises(ValueError, match="file.csv: " + message) as refusal:
        read_detections(file(content))

    assert "\n" not in str(refusal.value)


def test_bytes_that_are_no_text_print_nothing(file, capfd):
    with pytest.raises(ValueError, match=r"row 3: found video_id '\\udcff', expected text"):
        read_detections(file(PLAIN.encode() + b"\xff,1\n"))

    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "content",
    [gzip.compress(PLAIN.encode() * 50)[:-20], b"no gzip at all"],
    ids=["cut short", "no gzip"],  # the encoded bytes hold the time
)
def test_broken_compression_names_the_file(file, content):
    with pytest.raises(ValueError, match=r"file\.csv\.gz: row .*expected a row of csv"):
        read_detections(file(content, "file.csv.gz"))


def test_empty_files_are_empty_tables(file):
    empty = file("")

    assert [len(read(empty)) for read in (read_ground_truth, read_detections, read_exclusions)] == [
        0
    ] * 3
    assert list(read_detections(empty)["video_id"].cat.categories) == []


def test_whole_seconds_are_judged_by_how_they_are_written(file):
    whole = file("a,0902,0,0,1,1,3\nb,17,0,0,1,1,3\n")

    assert read_ground_truth(whole, True)["timestamp"].tolist() == [902.0, 17.0]
    with pytest.raises(ValueError, match=r"row 2: found timestamp '903\.0', expected a whole"):
        read_ground_truth(file("a,0902,0,0,1,1,3\na,903.0,0,0,1,1,3\n"), True)
    with pytest.raises(ValueError, match="row 2: found 2 columns, expected 7 or 8"):
        read_detections(file("a,0902,0,0,1,1,3\na,0903\n"), True)
    with pytest.raises(ValueError, match=r"row 1: found timestamp '902\.5', expected a whole"):
        read_exclusions(file("a,902.5\n"), True)


def test_rows_of_other_widths_stand_where_they_stood_in_every_block(file, monkeypatch):
    monkeypatch.setattr(csv_columns, "_BLOCK_BYTES", 2**16)
    long = [f"v{number % 7},{number},0,0,1,1,{number % 80 + 1},5" for number in range(60_000)]
    for number in (0, 30_001, 59_999):
        long[number] = f"v9,{number}"
    long[41_000] = "w,41000,0,0,1,1,3"  # no person id
    text = "\n".join(long)
    assert len(text) > 10 * csv_columns._BLOCK_BYTES

    ground_truth = read_ground_truth(file(text))

    packed = file(gzip.compress(text.encode()), "file.csv.gz")
    pd.testing.assert_frame_equal(read_ground_truth(packed), ground_truth)

    assert ground_truth["timestamp"].tolist() == list(range(60_000))
    assert ground_truth.index[ground_truth["action_id"] == 0].tolist() == [0, 30_001, 59_999]
    assert ground_truth.loc[[30_000, 30_001, 41_000], "video_id"].tolist() == ["v5", "v9", "w"]
    assert ground_truth.loc[[41_000, 41_001], "person_id"].tolist() == [-1, 5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rows")


NUMBER = st.floats(-2, 2).map(repr)
ROW = st.one_of(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["0902", "17.500000", "903"])),
    st.tuples(
        st.sampled_from(["a", "b", "c-_"]),
        st.sampled_from(["0902", "17.500000", "903"]),
        *[NUMBER] * 4,
        st.integers(1, 80).map(str),
    ),
)


@given(
    st.lists(ROW, min_size=1, max_size=12),
    st.booleans(),
    st.integers(0, 12),
    st.sampled_from([1, 50]),
)
@settings(deadline=None, max_examples=30)
def test_fast_and_slow_reading_agree_and_parts_joined_are_the_whole(
    folder, rows, scored, cut, block
):
    lines = [",".join([*row, "0.5"] if scored and len(row) > 2 else row) + "\n" for row in rows]
    for name, part in (("whole", lines), ("first", lines[:cut]), ("second", lines[cut:])):
        (folder / name).write_text("".join(part))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_columns, "_BLOCK_BYTES", block)
        patch.setattr(csv_columns, "_read_slowly", lambda path, layout: None)
        whole = read_detections(folder / "whole")
    parts = [read_detections(folder / name) for name in ("first", "second")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_columns, "_read_fast", lambda path, layout: None)
        slow = read_detections(folder / "whole")

    def plain(table):
        return table.astype({"video_id": "str"})

    pd.testing.assert_frame_equal(plain(slow), plain(whole))
    joined = pd.concat([plain(part) for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(joined, plain(whole).reset_index(drop=True))


@pytest.mark.parametrize(
    "content",
    [
        '"a\nb",1,0,0,1,1,3,5\nc,1,0,0,1,1,3,5\n',  # one row on two lines
        'c,1,0,0,1,1,3,5\n"a,b",1,0,0,1,1,3,5\n',
        '"a\n",1\n"b\n",2\n',
        "a,1,0,0,1,1,3,5\rb,1,0,0,1,1,3,5\n",
        "a,1\n\ufeffb,2\n\ufeffc,1,0,0,1,1,3,5\n",  # a byte order mark within the file
    ],
)
def test_what_looks_odd_line_by_line_is_read_as_python_reads_it(file, content):
    path = file(content)

    found = read_ground_truth(path)

    with open(path, encoding="utf-8", newline="") as text:
        cells = list(csv.reader(text))
    assert found["video_id"].tolist() == [row[0] for row in cells]
    assert found["timestamp"].tolist() == [float(row[1]) for row in cells]
