"""Proposals of a split, from published files; and from a detector, here a stand-in for it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.annotations.dataset_clips import list_clips
from pipeline.annotations.index_files import read_person_boxes
from pipeline.people import person_boxes as stage
from pipeline.people.person_boxes import detect_people
from pipeline.stages.detect_people import main
from pipeline.video.frame_store import FrameStore, FrameStoreWriter
from tests.small_annotations import small_params, write_raw
from tests.stages.made_detections import stand_in, write_frames


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_raw(tmp_path / "raw")
    return tmp_path / "raw"


def test_published_boxes_of_the_splits_keyframes_are_collected(raw: Path, tmp_path: Path) -> None:
    target = tmp_path / "train.parquet"
    (raw / "kinetics_boxes.csv").write_text(
        "kkk,22,0.25,0.25,0.75,0.5,0.5\nkkk,21,0.25,0.25,0.75,0.5,0.5\n"  # 21 is no keyframe
    )

    counts = detect_people(raw, tmp_path, tmp_path, "train", target, small_params())

    table = read_person_boxes(target)
    assert list(zip(table["video_id"], table["timestamp"], table["score"], strict=True)) == [
        ("-a", 902.0, 0.75),
        ("-a", 902.0, 0.5),
        ("kkk", 22.0, 0.5),
    ]
    assert (counts["keyframes"], counts["keyframes_without_proposals"]) == (5, 3)


def test_every_box_that_is_left_out_is_counted_by_reason(raw: Path, tmp_path: Path) -> None:
    (raw / "kinetics_boxes.csv").write_text(
        "kkk,22,0.25,0.25,0.75,0.5,0.5\n"
        + "kkk,22.000000,0.25,0.25,0.75,0.5,0.5\n" * 2  # the same box again, twice
        + "kkk,22,0.25,0.25,0.25,0.5,0.5\n"  # no width
        + "kkk,22,1.25,0.25,1.5,0.5,0.5\n"  # wholly beyond the edge
        + "kkk,22,0.75,0.25,0.25,0.5,0.5\n"  # right before left
        + "kkk,21,0.25,0.25,0.75,0.5,0.5\n" * 4  # no keyframe
        + "kkk,22,0.25,0.25,1.25,0.5,0.5\n"  # cut at the edge
    )

    counts = detect_people(raw, tmp_path, tmp_path, "train", tmp_path / "p", small_params())

    assert counts["proposals"] == 2 + 11  # those of AVA's part, and these
    assert {name: counts[name] for name in counts if name.startswith("dropped_")} == {
        "dropped_without_area": 3,
        "dropped_other_keyframe": 4,
        "dropped_duplicate": 2,
    }
    assert counts["boxes"] == len(read_person_boxes(tmp_path / "p")) == 2 + 2


def test_a_keyframe_of_two_parts_gives_its_boxes_once(raw: Path, tmp_path: Path) -> None:
    params = small_params(ground_truth="ava.csv", proposals="ava_boxes.csv", clip_list=None)

    counts = detect_people(raw, tmp_path, tmp_path, "train", tmp_path / "p", params)

    assert (counts["proposals"], counts["dropped_duplicate"], counts["boxes"]) == (4, 2, 2)


@pytest.mark.parametrize("name", ["kkk.mp4", "KKK", "clips/kkk", "kkk_000012_000022"])
def test_boxes_of_videos_that_are_called_differently_are_refused(
    raw: Path, tmp_path: Path, name: str
) -> None:
    (raw / "kinetics.csv").write_text("kkk,22.000000,0.25,0.25,0.75,0.75,17\n")
    (raw / "kinetics_boxes.csv").write_text(f"{name},22,0.25,0.25,0.75,0.5,0.5\n")

    with pytest.raises(ValueError, match=r"kinetics_boxes\.csv: found 1 of 1 videos missing") as no:
        detect_people(raw, tmp_path, tmp_path, "train", tmp_path / "p", small_params())

    assert f"'kkk' is nearly {name!r}" in str(no.value)


def test_boxes_that_fit_no_video_or_no_second_are_a_warning_and_a_count(
    raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (raw / "val_boxes.csv").write_text("nobody,902,0.25,0.25,0.75,0.5,0.5\n")

    counts = detect_people(raw, tmp_path, tmp_path, "val_ava", tmp_path / "p", small_params())

    assert counts["videos_without_proposals"] == counts["keyframes_without_proposals"] == 1
    assert "val_boxes.csv: found 1 of 1 videos missing, such as 'v-v'" in caplog.text
    (raw / "val_boxes.csv").write_text("v-v,30,0.25,0.25,0.75,0.5,0.5\n")
    detect_people(raw, tmp_path, tmp_path, "val_ava", tmp_path / "p", small_params())
    assert "found boxes at other seconds than those of the 1 keyframes, such as 30 of v-v" in (
        caplog.text
    )


def test_ground_truth_boxes_that_a_proposal_fits_are_counted(raw: Path, tmp_path: Path) -> None:
    counts = detect_people(raw, tmp_path, tmp_path, "train", tmp_path / "p", small_params())

    # Four people: one found exactly, one by its half, one not at all. The fourth has the corner
    # box (0.5, 0.5, 1, 1), of which the whole frame is four times the area.
    assert counts["ground_truth_boxes"] == 4
    found = counts["ground_truth_boxes_found_at_0.5"], counts["ground_truth_boxes_found_at_0.75"]
    assert found == (2, 1)


def test_a_part_without_published_boxes_is_shown_to_the_detector(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = small_params(proposals="detect")
    list_clips(raw, tmp_path / "clips.csv", params)
    write_frames(tmp_path / "frames", "kkk_000012_000022", 300)
    seen = stand_in(tmp_path, monkeypatch)

    detect_people(raw, tmp_path / "frames", tmp_path / "clips.csv", "train", tmp_path / "p", params)

    # The frames of the two keyframes; `lost` has none.
    assert np.allclose(seen, [60, 300], atol=2)
    table = read_person_boxes(tmp_path / "p")
    assert table.loc[table["video_id"] == "kkk", "timestamp"].tolist() == [14.016, 22.0]


def test_gaps_of_published_boxes_are_filled_when_asked(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (raw / "kinetics_boxes.csv").write_text("kkk,22,0.25,0.25,0.75,0.5,0.5\n")
    params = small_params({"fill_gaps": True})
    list_clips(raw, tmp_path / "clips.csv", params)
    write_frames(tmp_path / "frames", "kkk_000012_000022", 300)
    seen = stand_in(tmp_path, monkeypatch)

    detect_people(raw, tmp_path / "frames", tmp_path / "clips.csv", "train", tmp_path / "p", params)

    assert np.allclose(seen, [60], atol=2)  # 14.016 s alone: 22 s has its box
    table = read_person_boxes(tmp_path / "p")
    boxes = table[table["video_id"] == "kkk"][["timestamp", "x1", "y2"]].to_numpy()
    assert boxes.tolist() == [[14.016, 0.25, 0.75], [22.0, 0.25, 0.5]]


def test_a_killed_job_goes_on_from_its_finished_batches(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = small_params({"batch_size": 1}, proposals="detect")
    list_clips(raw, tmp_path / "clips.csv", params)
    write_frames(tmp_path / "frames", "kkk_000012_000022", 300)
    places = (raw, tmp_path / "frames", tmp_path / "clips.csv", "train")
    seen = stand_in(tmp_path, monkeypatch)
    detect_people(*places, tmp_path / "whole" / "p", params)
    assert len(seen) == 2

    stand_in(tmp_path, monkeypatch, dies_at=1)
    with pytest.raises(KeyboardInterrupt):
        detect_people(*places, tmp_path / "out" / "p", params)
    partial = tmp_path / "out" / ".p.kinetics.partial"
    assert os.listdir(tmp_path / "out") == [partial.name]
    with partial.open("ab") as file:
        file.write(b'{"batch": "12')  # the kill came in the middle of a line
    seen = stand_in(tmp_path, monkeypatch)
    detect_people(*places, tmp_path / "out" / "p", params)

    assert len(seen) == 1
    assert sorted(os.listdir(tmp_path / "out")) == [partial.name, "p"]
    assert (tmp_path / "out" / "p").read_bytes() == (tmp_path / "whole" / "p").read_bytes()


@pytest.mark.parametrize("change", ["weights", "min_score", "frames"])
def test_batches_of_other_weights_settings_or_stills_are_detected_again(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    params = small_params(proposals="detect")
    list_clips(raw, tmp_path / "clips.csv", params)
    write_frames(tmp_path / "frames", "kkk_000012_000022", 300)
    places = (raw, tmp_path / "frames", tmp_path / "clips.csv", "train")
    stand_in(tmp_path, monkeypatch)
    with monkeypatch.context() as patch:  # all is detected, and then the job dies
        patch.setattr(stage, "write_proposals", no_room)
        with pytest.raises(KeyboardInterrupt):
            detect_people(*places, tmp_path / "p", params)

    seen = stand_in(tmp_path, monkeypatch, weights=change if change == "weights" else "")
    if change == "min_score":
        params = small_params({"min_score": 0.25}, proposals="detect")
    if change == "frames":
        shutil.rmtree(tmp_path / "frames")
        write_frames(tmp_path / "frames", "kkk_000012_000022", 300, grey=5)
    detect_people(*places, tmp_path / "p", params)

    assert len(seen) == 2


def with_clip(raw: Path, folder: Path, video: str, grey: int) -> None:
    """Add a clip that sorts before the other one, with two keyframes."""
    rows = [f"{video},{second}.000000,0.25,0.25,0.75,0.75,12\n" for second in (13, 15)]
    ground_truth = raw / "kinetics.csv"
    ground_truth.write_text("".join(rows) + ground_truth.read_text())
    with (raw / "list.csv").open("a") as file:
        file.write(f"waving,{video},12,22,train\n")
    write_frames(folder, f"{video}_000012_000022", 300, grey, shard="01")


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_a_later_job_detects_only_the_shards_that_are_new(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    params = small_params({"batch_size": batch_size}, proposals="detect")
    places = (raw, tmp_path / "frames", tmp_path / "clips.csv", "train")
    list_clips(raw, tmp_path / "clips.csv", params)
    write_frames(tmp_path / "frames", "kkk_000012_000022", 300)
    stand_in(tmp_path, monkeypatch)
    detect_people(*places, tmp_path / "grown" / "p", params)
    with_clip(raw, tmp_path / "frames", "aaa", grey=5)
    list_clips(raw, tmp_path / "clips.csv", params)

    seen = stand_in(tmp_path, monkeypatch)
    detect_people(*places, tmp_path / "grown" / "p", params)
    everything = stand_in(tmp_path, monkeypatch)
    detect_people(*places, tmp_path / "whole" / "p", params)

    assert (len(seen), len(everything)) == (2, 4)
    for name in ("p", ".p.kinetics.partial"):
        grown, whole = ((tmp_path / run / name).read_bytes() for run in ("grown", "whole"))
        assert sorted(grown.splitlines()) == sorted(whole.splitlines())
    assert (tmp_path / "grown/p").read_bytes() == (tmp_path / "whole/p").read_bytes()


def test_pictures_of_one_shard_share_a_batch(tmp_path: Path) -> None:
    for shard, clips in {"00": "ace", "01": "bd"}.items():
        with FrameStoreWriter(tmp_path / f"{shard}.tar", tmp_path / f"{shard}.parquet") as store:
            for clip in clips:
                store.add(clip, 1, b"jpeg", 4, 4)

    batches = stage._batches([(clip, 1) for clip in "abcde"], FrameStore(tmp_path), 2)

    assert batches == [[("a", 1), ("c", 1)], [("e", 1)], [("b", 1), ("d", 1)]]


def test_what_is_kept_shrinks_to_what_is_wanted(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = small_params({"batch_size": 1}, proposals="detect")
    places = (raw, tmp_path / "frames", tmp_path / "clips.csv", "train", tmp_path / "out" / "p")
    list_clips(raw, tmp_path / "clips.csv", params)
    write_frames(tmp_path / "frames", "kkk_000012_000022", 300)
    stand_in(tmp_path, monkeypatch)
    detect_people(*places, params)
    kept = tmp_path / "out" / ".p.kinetics.partial"
    assert len(kept.read_text().splitlines()) == 3  # what all depends on, two batches
    (tmp_path / "out" / ".p.renamed.partial").write_text("")

    ground_truth = raw / "kinetics.csv"
    ground_truth.write_text(ground_truth.read_text().replace("kkk,14.016000", "lost,14.016000"))
    seen = stand_in(tmp_path, monkeypatch)
    detect_people(*places, params)

    assert not seen
    assert len(kept.read_text().splitlines()) == 2
    assert sorted(os.listdir(tmp_path / "out")) == [kept.name, "p"]
    detect_people(*places, small_params())  # its proposals are published now
    assert os.listdir(tmp_path / "out") == ["p"]


def test_recall_is_told_per_split(raw: Path, tmp_path: Path) -> None:
    counts = detect_people(raw, tmp_path, tmp_path, "train", tmp_path / "p", small_params())

    recalls = counts["recall_train_at_0.5"], counts["recall_train_at_0.75"]
    assert recalls == (2 / 4, 1 / 4)  # see the counts above


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("raw", "frames", "clips.csv", "p")]
    flags = zip(["--raw", "--frames", "--clips", "--proposals"], paths, strict=True)

    with pytest.raises(ValueError, match="--split: found 'test', expected one of"):
        main([*(word for pair in flags for word in pair), "--split", "test"])


def no_room(*_: object) -> None:
    raise KeyboardInterrupt
