import logging
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.annotations.index_files import read_person_boxes
from pipeline.people.proposals import (
    COLUMNS,
    best_overlaps,
    read_proposals,
    select_proposals,
    write_proposals,
)


def pickled(tmp_path, value):
    path = tmp_path / "boxes.pkl"
    path.write_bytes(pickle.dumps(value))
    return path


def table(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def rows(proposals):
    return list(proposals[COLUMNS].itertuples(index=False, name=None))


def test_a_pickle_may_have_whole_or_fractional_seconds_and_scores_or_none(tmp_path):
    path = pickled(
        tmp_path,
        {
            "-5KQ66BBWC4,0902": np.array([[0.1, 0.2, 0.3, 0.8, 0.9]]),
            "ab_defghijk,17.016000": np.array([[0.1, 0.2, 0.3, 0.8]]),
            "nobody,0903": np.empty((0, 5)),
            "listed,0001": [[0, 0, 1, 1, 0.5]],
        },
    )

    assert rows(read_proposals(path)) == [
        ("-5KQ66BBWC4", 902.0, 0.1, 0.2, 0.3, 0.8, 0.9),
        ("ab_defghijk", 17.016, 0.1, 0.2, 0.3, 0.8, 1.0),
        ("listed", 1.0, 0.0, 0.0, 1.0, 1.0, 0.5),
    ]


def test_an_array_that_stands_under_many_keys_is_not_unfolded(tmp_path):
    boxes = np.tile([0.25, 0.25, 0.75, 0.75], (2000, 1))
    path = pickled(tmp_path, {f"v,{second}": boxes for second in range(1500)})

    with pytest.raises(ValueError, match=r"found more numbers than its \d+ bytes can hold"):
        read_proposals(path)


def test_a_long_row_that_stands_in_a_list_many_times_is_not_unfolded(tmp_path):
    path = pickled(tmp_path, {"v,1": [[0.5] * 5000] * 20_000})  # 800 MB as an array

    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="found no array"):
            read_proposals(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 10_000_000


@pytest.mark.parametrize(
    "header",
    [
        "",
        "video_id,timestamp,x1,y1,x2,y2,score\n",
        '"video_id","timestamp","x1","y1","x2","y2","score"\n',
        '\ufeff"video_id",timestamp,x1,y1,x2,y2,Score\r\n',
    ],
)
@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_csv_may_have_a_header_and_lack_the_last_newline(tmp_path, header, ending):
    path = tmp_path / "boxes.csv"
    path.write_text(f"{header}123,0902,0.1,0.2,0.3,0.8,0.9{ending}")

    assert rows(read_proposals(path)) == [("123", 902.0, 0.1, 0.2, 0.3, 0.8, 0.9)]


def test_quotes_and_unicode_forms_are_those_of_ground_truth_files(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text(
        '"fight, day 1","0902","0.1",0.2,0.3,0.8,0.9\ne\u0301,902,0.1,0.2,0.3,0.8,0.9\n'
    )

    assert read_proposals(path)["video_id"].tolist() == ["fight, day 1", "\u00e9"]


def test_published_case_with_a_quoted_header_is_read(external):
    found = rows(read_proposals(external("cases/proposals_quoted_header/people.csv")))

    assert found == [("v1", 902.0, 0.1, 0.1, 0.5, 0.9, 0.9)]


@pytest.mark.parametrize(
    "columns",
    [
        {"video_id": ["v", None]},
        {"x1": [0.0, None]},
        {"x1": ["left", "right"]},
        {"timestamp": [[1.0], [2.0]]},
        {"x1": None},
    ],
)
def test_a_parquet_with_odd_columns_is_refused_in_one_line(tmp_path, columns):
    usual = {"video_id": ["v", "w"], **{name: [0.5, 0.5] for name in COLUMNS[1:]}}
    kept = {name: values for name, values in (usual | columns).items() if values is not None}
    pq.write_table(pa.table(kept), tmp_path / "odd.parquet")

    with pytest.raises(ValueError, match=r"odd\.parquet: ") as refusal:
        read_proposals(tmp_path / "odd.parquet")

    assert "\n" not in str(refusal.value)


def test_a_csv_without_scores_gives_1(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("v,902,0.1,0.2,0.3,0.8\n")

    assert read_proposals(path)["score"].tolist() == [1.0]


def test_a_parquet_may_have_other_columns_and_types(tmp_path):
    path = tmp_path / "boxes.parquet"
    columns = {name: pa.array([0.5], pa.float32()) for name in COLUMNS[2:]}
    columns |= {"x1": pa.array([0.0]), "y1": pa.array([0.25]), "extra": pa.array(["x"])}
    pq.write_table(pa.table({"timestamp": [902], "video_id": ["v"], **columns}), path)

    assert rows(read_proposals(path)) == [("v", 902.0, 0.0, 0.25, 0.5, 0.5, 0.5)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "found a list, expected a dict"),
        ({"v": np.zeros((1, 5))}, "found key 'v', expected 'video,seconds'"),
        ({"v,soon": np.zeros((1, 5))}, "found key 'v,soon'"),
        ({902: np.zeros((1, 5))}, "found key '902'"),
        ({"v,1": np.zeros((2, 3))}, r"v,1: found an array of \(2, 3\), expected N boxes of 4 or 5"),
        ({"v,1": [[0, 0, 1, 1], [0, 0, 1, 1, 1]]}, "v,1: found no array"),
        ({"v,1": "boxes"}, "v,1: found no array"),
        ({"v,1": [[10**400, 0, 1, 1]]}, "v,1: found no array"),
        ({f"{'v' * 256},1": np.zeros((1, 5))}, "expected 'video,seconds'"),
        ({"v,1": np.array([[0, 0, np.nan, 1, 1]])}, "v,1: found 0, 0, nan, 1, 1, expected"),
        ({"v,1": np.array([[10, 10, 64, 96, 1]])}, "v,1: found 10, 10, 64, 96, 1"),
        ({"v,1": np.array([[0, 0, 1, 1, 7.5]])}, "and a score of 0 to 1"),
        ({"v,-1": np.array([[0, 0, 1, 1, 1]])}, "found timestamp -1"),
    ],
)
def test_a_pickle_with_a_mistake_is_refused_where_it_stands(tmp_path, value, message):
    path = pickled(tmp_path, value)

    with pytest.raises(ValueError, match=message) as error:
        select_proposals(read_proposals(path), table())

    assert "boxes.pkl" in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"v,902,0.1\n", "found 3 columns, expected video_id,timestamp"),
        ("a.csv", b"video_id,time,x1,y1,x2,y2\n", "found the header"),
        ("a.csv", b"v,902,0.1,0.2,0.3,0.8,high\n", "high"),
        ("a.csv", b"v,902,0,0,1,1,1\nv,902,0,0\n", r"row 2: found 4 columns, expected 7"),
        ("a.csv", b"v,902,0,0,1,1,1\nv\x00,902,0,0,=1+1,1,1\n", "row 2: found video_id"),
        ("a.csv", b'"video","time","x1","y1","x2","y2"\n', "found the header 'video,time,x1,"),
        ("a.csv", b"v,902,0,0,1,1,1\nv,soon,0,0,1,1,1\n", "row 2: found timestamp 'soon'"),
        ("a.csv", "v,902,0,0,1,1,1\n".encode("utf-16"), "found UTF-16 text, expected UTF-8"),
        ("a.parquet", b"PAR1 no", "a.parquet: "),
        ("a.json", b"{}", "found the ending '.json'"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ValueError, match=message):
        read_proposals(tmp_path / name)


def test_boxes_over_the_edge_are_cut_and_empty_ones_dropped(tmp_path, caplog):
    path = pickled(tmp_path, {"v,1": np.array([[-0.1, 0, 0.5, 1.2, 0.9], [0.5, 0, 0.5, 1, 0.9]])})

    with caplog.at_level(logging.INFO):
        proposals = read_proposals(path)

    assert rows(proposals) == [("v", 1.0, 0.0, 0.0, 0.5, 1.0, 0.9)]
    assert "1 of 2 boxes cut at the edge of the frame, 1 without area dropped" in caplog.text


def test_only_the_keyframes_asked_for_are_selected_best_first_and_once():
    box = (0.0, 0.0, 1.0, 1.0)
    proposals = table(
        ("w", 2.0, *box, 0.4),
        ("v", 902.0, *box, 0.3),
        ("v", 903.0, *box, 0.9),
        ("v", 902.0, *box, 0.8),
        ("v", 902.0, *box, 0.8),
    )
    keyframes = pd.DataFrame({"video_id": ["w", "v"], "timestamp": [2.0, 902.0]})

    assert rows(select_proposals(proposals, keyframes)) == [
        ("v", 902.0, *box, 0.8),
        ("v", 902.0, *box, 0.3),
        ("w", 2.0, *box, 0.4),
    ]


def test_what_is_written_is_read_back_and_equal_bytes(tmp_path):
    proposals = table(("-v", 17.016, 0.25, 0.5, 0.75, 1.0, 0.5))

    for name in ("one", "two"):
        write_proposals(tmp_path / name, proposals)

    assert rows(read_person_boxes(tmp_path / "one")) == rows(proposals)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_best_overlap_is_the_iou_with_the_best_box_of_the_same_keyframe():
    ground_truth = table(
        ("v", 1.0, 0.0, 0.0, 0.4, 0.4, 1.0),
        ("v", 1.0, 0.5, 0.5, 1.0, 1.0, 1.0),
        ("v", 2.0, 0.0, 0.0, 1.0, 1.0, 1.0),
    )
    proposals = table(
        ("v", 1.0, 0.0, 0.0, 0.4, 0.2, 0.9),
        ("v", 1.0, 0.0, 0.0, 0.4, 0.3, 0.1),
        ("w", 2.0, 0.0, 0.0, 1.0, 1.0, 0.9),
    )

    np.testing.assert_allclose(best_overlaps(ground_truth, proposals), [0.75, 0.0, 0.0], atol=1e-12)
