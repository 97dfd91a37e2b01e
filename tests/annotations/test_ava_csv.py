"""Reading what AVA publishes, refusing what it does not."""

import numpy as np
import pandas as pd
import pytest

from pipeline.annotations.ava_csv import (
    BOX,
    read_detections,
    read_exclusions,
    read_ground_truth,
    write_detections,
)
from pipeline.annotations.class_list import read_class_list


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "file.csv"
        path.write_text(text, newline="")
        return path

    return write


def test_ground_truth_with_person_ids_keeps_the_rows_as_they_stand(file):
    ground_truth = read_ground_truth(file("b,0903,0.1,0.2,0.3,0.4,12,7\na,0902,0,0,1,1,80,0\n"))

    assert ground_truth["video_id"].tolist() == ["b", "a"]
    assert ground_truth["timestamp"].tolist() == [903.0, 902.0]
    assert ground_truth[BOX].to_numpy().tolist() == [[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]]
    assert ground_truth["action_id"].tolist() == [12, 80]
    assert ground_truth["person_id"].tolist() == [7, 0]


def test_seven_columns_have_no_person_id(file):
    ground_truth = read_ground_truth(file("a,1.5,0,0,1,1,3\n"))

    assert ground_truth.iloc[0].tolist() == ["a", 1.5, 0, 0, 1, 1, 3, -1]


def test_two_columns_are_a_keyframe_without_people(file):
    ground_truth = read_ground_truth(file("a,1.5\na,2.5,0,0,1,1,3,4\n"))

    assert ground_truth["action_id"].tolist() == [0, 3]
    assert ground_truth["person_id"].tolist() == [-1, 4]
    assert ground_truth[BOX].isna().all(axis=1).tolist() == [True, False]
    assert ground_truth["action_id"].dtype == ground_truth["person_id"].dtype == "int64"


def test_fast_and_careful_reading_agree(file):
    rows = "a,0902,0.1,0.2,0.3,0.4,12,7\na,0903.5,0.123456789012345678,0,1e-3,1,80,1\n"

    plain = read_ground_truth(file(rows))
    ragged = read_ground_truth(file(rows + "a,904\n"))

    pd.testing.assert_frame_equal(ragged[:2], plain)


def test_detection_without_score_scores_one_and_nan_stays_nan(file):
    detections = read_detections(file("a,1,0,0,1,1,3\na,1,0,0,1,1,4,nan\na,1,0,0,1,1,5,0.25\n"))

    np.testing.assert_array_equal(detections["score"], [1.0, np.nan, 0.25])


def test_row_number_survives_a_dropped_row(file):
    detections = read_detections(file("a,1\na,1,0,0,1,1,3,0.5\n"))

    assert detections.index.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1,0,0,1,1,3\n\n", "row 2: found 0 columns, expected 2, 7 or 8"),
        ("video,time,x1,y1,x2,y2,action\n", "row 1: found timestamp 'time', expected a number"),
        ("a,1,0,0,1,1,3.0\n", "row 1: found action_id '3.0', expected a whole number"),
        ("a,1,0,0,1,1,0\n", "row 1: found action_id 0, expected 1 or more"),
        ("a,1,,,,,,\n", "row 1: found x1 '', expected a number"),
        ("a,1,0,0,1,1,3\na,nan,0,0,1,1,3\n", "row 2: found timestamp"),
        ("a,1,0,0,1,1,3\na,1,0,nan,1,1,3\n", "row 2: found box 0, nan, 1, 1, expected finite"),
    ],
)
def test_ground_truth_that_does_not_parse_names_file_and_row(file, text, message):
    with pytest.raises(ValueError, match="file.csv: " + message) as refusal:
        read_ground_truth(file(text))

    assert "\n" not in str(refusal.value)


def test_empty_files_are_empty_tables(file):
    empty = file("")

    assert [len(read(empty)) for read in (read_ground_truth, read_detections, read_exclusions)] == [
        0
    ] * 3
    assert read_detections(empty)["score"].dtype == "float64"


def test_byte_order_mark_and_windows_line_ends_do_not_show(file):
    ground_truth = read_ground_truth(file("\ufeffa,1,0,0,1,1,3\r\nb,1,0,0,1,1,3\r\n"))

    assert ground_truth["video_id"].tolist() == ["a", "b"]


def test_exclusions(file):
    assert read_exclusions(file("a,0913\nb,17.5\n")).to_numpy().tolist() == [
        ["a", 913],
        ["b", 17.5],
    ]
    assert len(read_exclusions(None)) == 0
    with pytest.raises(ValueError, match="row 1: found 3 columns, expected 2"):
        read_exclusions(file("a,1,2\n"))


def test_both_layouts_of_the_class_list(file):
    challenge = file(
        'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\nitem {name: "x" id: 3}'
    )
    assert read_class_list(challenge) == {1: "bend/bow (at the waist)", 3: "x"}

    full = file('label {\n  name: "crawl"\n  label_id: 2\n  label_type: PERSON_MOVEMENT\n}\n')
    assert read_class_list(full) == {2: "crawl"}


@pytest.mark.parametrize("text", ["", 'item { name: "a" }', 'item {name: "a" id: 1}' * 2])
def test_unusable_class_list_is_refused(file, text):
    with pytest.raises(ValueError, match=r"file.csv: .*expected"):
        read_class_list(file(text))


def test_written_detections_read_back_bit_for_bit(tmp_path):
    random = np.random.default_rng(3)
    numbers = random.random((50, 5)).astype(np.float32).astype(np.float64)
    table = pd.DataFrame(numbers, columns=[*BOX, "score"])
    table.insert(0, "video_id", ["a_b-1"] * 25 + ["z"] * 25)
    table.insert(1, "timestamp", np.repeat([902.0, 17.516949], 25))
    table["action_id"] = np.arange(1, 51)
    path = tmp_path / "detections.csv"

    write_detections(path, table)

    assert path.read_text().startswith("a_b-1,0902,")
    assert ",17.516949," in path.read_text()
    found = read_detections(path)[table.columns].astype({"video_id": "str"})
    pd.testing.assert_frame_equal(found, table, check_exact=True)


def test_video_id_that_needs_quotes_is_not_written(tmp_path):
    table = pd.DataFrame([["a,b", 1.0, 0.0, 0.0, 1.0, 1.0, 3, 0.5]])
    table.columns = ["video_id", "timestamp", *BOX, "action_id", "score"]

    with pytest.raises(ValueError, match="a,b"):
        write_detections(tmp_path / "x.csv", table)

    assert list(tmp_path.iterdir()) == []
