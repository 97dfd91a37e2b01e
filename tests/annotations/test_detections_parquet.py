"""Tables of detections as parquet: what is read, and what is refused in one line."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.annotations.ava_csv import DETECTION_COLUMNS
from pipeline.annotations.detections_parquet import read_detections_parquet

USUAL = {
    "video_id": ["a", "b"],
    "timestamp": [1.0, 2.0],
    **{name: [0.0, 0.5] for name in ("x1", "y1", "x2", "y2")},
    "action_id": [1, 2],
    "score": [0.5, 0.25],
}


def written(folder, columns):
    kept = {name: values for name, values in (USUAL | columns).items() if values is not None}
    pq.write_table(pa.table(kept), folder / "d.parquet")
    return folder / "d.parquet"


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"video_id": pa.array(["a", "b"]).dictionary_encode()},
        {"video_id": pa.array(["a", "b"], pa.large_string()), "score": pa.array([0.5, 0.25], "f4")},
        {"timestamp": [1, 2], "action_id": pa.array([1, 2], pa.uint8()), "extra": [[1], [2]]},
        {"split": ["val", "val"]},
    ],
)
def test_types_that_hold_the_same_are_the_same(tmp_path, columns):
    found = read_detections_parquet(written(tmp_path, columns))

    assert found[DETECTION_COLUMNS].to_numpy().tolist() == [
        ["a", 1.0, 0.0, 0.0, 0.0, 0.0, 1, 0.5],
        ["b", 2.0, 0.5, 0.5, 0.5, 0.5, 2, 0.25],
    ]


def test_ids_are_brought_into_one_form_of_unicode(tmp_path):
    found = read_detections_parquet(written(tmp_path, {"video_id": ["e\u0301", "\u00e9"]}))

    assert found["video_id"].tolist() == ["\u00e9", "\u00e9"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"score": None}, r"expected \['score'\] once"),
        ({"video_id": [1, 2]}, "found video_id of type int64, expected text"),
        ({"video_id": [b"a", b"b"]}, "found video_id of type .*binary.*, expected text"),
        ({"video_id": ["a", None]}, "row 2: found no video_id, expected a value"),
        ({"x1": ["0", "1"]}, "found x1 of type string, expected float64"),
        ({"x1": [[0.0], [1.0]]}, "found x1 of type list"),
        ({"x1": [True, False]}, "found x1 of type bool"),
        ({"action_id": [1.0, 2.0]}, "found action_id of type double, expected int64"),
        ({"action_id": [1, 0]}, "row 2: found action_id 0, expected 1 or more"),
        ({"action_id": pa.array([1, 2**64 - 1], pa.uint64())}, "row 2: found action_id -1"),
        ({"timestamp": [1.0, float("nan")]}, "row 2: found timestamp nan, expected seconds"),
        ({"timestamp": [1e12, 1.0]}, r"row 1: found timestamp 1e\+12, expected seconds"),
        ({"split": [1, 2]}, "found split of type int64, expected text"),
        ({"split": ["val", None]}, "row 2: found no split"),
        ({"split": ["val", "train"]}, r"found splits \['train', 'val'\], expected one"),
    ],
)
def test_odd_columns_are_refused_in_one_line_with_the_file(tmp_path, columns, message):
    path = written(tmp_path, columns)

    with pytest.raises(ValueError, match=rf"d\.parquet: .*{message}") as refusal:
        read_detections_parquet(path)

    assert "\n" not in str(refusal.value)


def test_a_column_that_stands_twice_is_refused(tmp_path):
    table = pa.table(USUAL)
    pq.write_table(table.append_column("score", table["score"]), tmp_path / "d.parquet")

    with pytest.raises(ValueError, match=r"d\.parquet: .*\['score'\] once"):
        read_detections_parquet(tmp_path / "d.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    (tmp_path / "d.parquet").write_bytes(content)

    with pytest.raises(ValueError, match=r"d\.parquet: ") as refusal:
        read_detections_parquet(tmp_path / "d.parquet")

    assert "\n" not in str(refusal.value)
