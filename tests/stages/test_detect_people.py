"""Proposals of a split, from published files; and from a detector, here a stand-in for it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.annotations import people_detector
from pipeline.annotations.proposals import read_collected
from pipeline.annotations.split_people import detect_people
from pipeline.frames.frame_store import FrameStoreWriter
from pipeline.stages.detect_people import main
from pipeline.stages.list_clips import list_clips
from tests.small_annotations import small_params, write_raw


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

    table = read_collected(target)
    assert list(zip(table["video_id"], table["timestamp"], table["score"], strict=True)) == [
        ("-a", 902.0, 0.75),
        ("-a", 902.0, 0.5),
        ("kkk", 22.0, 0.5),
    ]
    assert (counts["keyframes"], counts["keyframes_without_proposals"]) == (5, 3)


def test_truth_boxes_that_a_proposal_fits_are_counted(raw: Path, tmp_path: Path) -> None:
    counts = detect_people(raw, tmp_path, tmp_path, "train", tmp_path / "p", small_params())

    # Four people: one found exactly, one by its half, one not at all. The fourth has the corner
    # box (0.5, 0.5, 1, 1), of which the whole frame is four times the area.
    assert counts["truth_boxes"] == 4
    found = counts["truth_boxes_found_at_0.5"], counts["truth_boxes_found_at_0.75"]
    assert found == (2, 1)


def test_a_part_without_published_boxes_is_shown_to_the_detector(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = small_params(proposals="detect")
    list_clips(raw, tmp_path / "clips.csv", params)
    write_frames(tmp_path / "frames", "kkk_000012_000022", 300)
    seen: list[int] = []

    def detect(
        detector: object, stills: list[npt.NDArray[np.uint8]], *_: object
    ) -> list[npt.NDArray[np.float64]]:
        seen.extend(round(float(still.mean()) / 0.8) for still in stills)
        return [np.array([[0.25, 0.25, 0.75, 0.75, 0.5]])] * len(stills)

    monkeypatch.setattr(people_detector, "detect", detect)
    monkeypatch.setattr(people_detector, "load_detector", lambda *_: None)
    monkeypatch.setattr(people_detector, "fetch_weights", lambda *_: Path())

    detect_people(raw, tmp_path / "frames", tmp_path / "clips.csv", "train", tmp_path / "p", params)

    # The frames of the two keyframes; `lost` has none.
    assert np.allclose(seen, [60, 300], atol=2)
    table = read_collected(tmp_path / "p")
    assert table.loc[table["video_id"] == "kkk", "timestamp"].tolist() == [14.016, 22.0]


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("raw", "frames", "clips.csv", "p")]
    flags = zip(["--raw", "--frames", "--clips", "--proposals"], paths, strict=True)

    with pytest.raises(ValueError, match="--split: found 'test', expected one of"):
        main([*(word for pair in flags for word in pair), "--split", "test"])


def write_frames(folder: Path, clip: str, count: int) -> None:
    """Store frames whose grey level is 0.8 times their number."""
    import simplejpeg

    folder.mkdir()
    with FrameStoreWriter(folder / "00.tar", folder / "00.parquet") as store:
        for number in range(1, count + 1):
            still = np.full((8, 8, 3), round(number * 0.8), np.uint8)
            store.add(clip, number, simplejpeg.encode_jpeg(still), 8, 8)
