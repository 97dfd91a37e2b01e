"""The index and the coverage of a small dataset, with clips missing, damaged and short."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.annotations.dataset_clips import list_clips
from pipeline.annotations.index_files import Inputs, merge_annotations
from pipeline.annotations.index_schema import INDEX_SCHEMA
from pipeline.people.person_boxes import detect_people
from tests.small_annotations import small_params, write_index, write_raw


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """All clips stored, but for `lost`, which no source had."""
    found = Inputs(
        tmp_path / "raw",
        tmp_path / "clips.csv",
        *(tmp_path / name for name in ("videos", "cut", "frames", "proposals")),
    )
    params = small_params()
    write_raw(found.raw)
    list_clips(found.raw, found.clips, params)
    write_index(found.frames / "00.parquet", {"-a": 119, "v-v": 89, "kkk_000012_000022": 299})
    write_index(found.frames / "01.parquet", {"runner_000000_000004": 120})
    for folder in (found.videos, found.cut, found.frames):
        folder.mkdir(exist_ok=True)
        rows = ["clip,status,reason", "-a,ok,", "v-v,ok,", "kkk_000012_000022,ok,"]
        (folder / "00.csv").write_text("\n".join(rows) + "\n")
    (found.videos / "01.csv").write_text(
        "clip,status,reason\nrunner_000000_000004,ok,\nlost_000000_000010,missing,in no archive\n"
    )
    for split in params.splits:
        target = found.proposals / f"{split}.parquet"
        detect_people(found.raw, found.frames, found.clips, split, target, params)
    return found


def merged(inputs: Inputs, folder: Path) -> dict[str, float]:
    return merge_annotations(inputs, folder / "index", folder / "coverage.csv", small_params())


def test_each_split_has_an_index_of_its_parts(inputs: Inputs, tmp_path: Path) -> None:
    counts = merged(inputs, tmp_path)

    train = pq.read_table(tmp_path / "index" / "train.parquet")
    assert train.schema.equals(INDEX_SCHEMA)
    rows = train.select(["subset", "clip", "timestamp", "frame", "last_frame"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("ava", "-a", 902.0, 60, 119),
        ("ava", "-a", 903.0, 90, 119),
        ("kinetics", "kkk_000012_000022", 14.016, 60, 299),
        ("kinetics", "kkk_000012_000022", 22.0, 300, 299),
    ]
    assert train["labels"].to_pylist() == [[[12, 80], [12]], [], [[12]], [[17]]]
    assert train["proposals"].to_pylist() == [
        [0.0, 0.0, 1.0, 1.0, 0.75, 0.25, 0.25, 0.75, 0.75, 0.5],
        [0.0, 0.0, 1.0, 1.0, 1.0],
        [0.0, 0.0, 1.0, 1.0, 1.0],
        [0.25, 0.25, 0.75, 0.5, 0.5],
    ]
    assert pq.read_table(tmp_path / "index" / "val_ava.parquet").num_rows == 1
    assert (counts["ava_rows"], counts["ava_dropped_excluded"]) == (5, 1)
    assert counts["kinetics_dropped_missing_video"] == 1


def test_coverage_names_what_is_missing_and_why(inputs: Inputs, tmp_path: Path) -> None:
    counts = merged(inputs, tmp_path)

    coverage = pd.read_csv(tmp_path / "coverage.csv", keep_default_na=False)
    assert coverage[["clip", "keyframes", "boxes", "status", "reason"]].to_numpy().tolist() == [
        ["-a", 2, 2, "ok", ""],
        ["kkk_000012_000022", 2, 2, "ok", ""],
        ["lost_000000_000010", 1, 0, "missing", "in no archive"],
        ["runner_000000_000004", 0, 0, "ok", ""],
        ["v-v", 1, 1, "ok", ""],
    ]
    assert (counts["clips_ok"], counts["clips_short"], counts["clips_missing"]) == (4, 0, 1)


def test_merging_again_and_in_another_order_changes_no_byte(inputs: Inputs, tmp_path: Path) -> None:
    merged(inputs, tmp_path)
    before = (tmp_path / "index" / "train.parquet").read_bytes()
    lines = (inputs.raw / "ava.csv").read_text().splitlines()
    (inputs.raw / "ava.csv").write_text("\n".join(reversed(lines)))

    merged(inputs, tmp_path)
    merged(inputs, tmp_path / "elsewhere")

    assert (tmp_path / "index" / "train.parquet").read_bytes() == before
    assert (tmp_path / "elsewhere" / "index" / "train.parquet").read_bytes() == before


def test_a_video_that_broke_off_keeps_the_keyframes_it_shows(
    inputs: Inputs, tmp_path: Path
) -> None:
    write_index(inputs.frames / "00.parquet", {"-a": 119, "v-v": 89, "kkk_000012_000022": 100})

    counts = merged(inputs, tmp_path)

    coverage = pd.read_csv(tmp_path / "coverage.csv").set_index("clip")
    assert coverage.loc["kkk_000012_000022", "status"] == "short"
    assert coverage.loc["kkk_000012_000022", "reason"] == "1 of 2 keyframes left"
    assert counts["kinetics_dropped_frames_short"] == 1


def test_inputs_are_left_as_they_were(inputs: Inputs, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    merged(inputs, tmp_path / "out")

    assert {path: path.read_bytes() for path in before} == before


def test_mistakes_of_the_ground_truth_are_warned_of_and_counted_by_class(
    inputs: Inputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (inputs.raw / "ava.csv").open("a") as file:
        file.write("\n-a,0903,0.5,0.25,0.5,0.75,12,1\n-a,0903,0.25,0.25,0.75,0.75,99,1\n")

    merged(inputs, tmp_path)

    table = pd.read_csv(tmp_path / "coverage_by_class.csv")
    columns = ["class", "labels", "kept", "class outside the list", "degenerate box"]
    assert table.loc[table["subset"] == "ava", columns].to_numpy().tolist() == [
        ["stand", 3, 2, 0, 1],
        ["watch", 1, 1, 0, 0],
        ["ids above 80", 1, 0, 1, 0],
    ]
    assert "ava: 1 of 7 rows dropped: degenerate box" in caplog.text
    assert "train: 1 classes lost all of their labels, such as ids above 80" in caplog.text


def test_classes_say_what_they_lost_and_to_what(inputs: Inputs, tmp_path: Path) -> None:
    write_index(inputs.frames / "00.parquet", {"-a": 119, "v-v": 89, "kkk_000012_000022": 100})
    lost = "clip,status,reason\nv-v,missing,HTTP 404 | <b>\n"
    (inputs.videos / "00.csv").write_text(lost)
    write_index(inputs.frames / "00.parquet", {"-a": 119, "kkk_000012_000022": 100})

    merged(inputs, tmp_path)

    table = pd.read_csv(tmp_path / "coverage_by_class.csv")
    columns = ["subset", "split", "class", "labels", "kept", "missing video", "frames short"]
    # -a has class 12 twice and, excluded at 0907, not a third time; kkk's frames end before 22.0.
    assert table[columns].to_numpy().tolist() == [
        ["ava", "train", "stand", 2, 2, 0, 0],
        ["ava", "train", "watch", 1, 1, 0, 0],
        ["kinetics", "train", "stand", 1, 1, 0, 0],
        ["kinetics", "train", "class 17", 1, 0, 0, 1],
        ["val", "val_ava", "stand", 1, 0, 1, 0],
    ]
    page = (tmp_path / "coverage.md").read_text()
    assert "## val_ava\n\n1 clips wanted: 0 whole, 0 short, 1 missing.\n" in page
    assert "| missing | HTTP 404 \\| &lt;b> | 1 | 1 |\n" in page
    assert "| class 17 | 1 | 1 | 100.0 % | 1 frames short |\n| stand | 3 | 0 | 0.0 % |  |\n" in page
