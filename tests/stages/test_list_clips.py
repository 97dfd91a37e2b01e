"""The clips of a small dataset: which, where in their videos, and which of their frames."""

import logging
import zlib
from pathlib import Path

import pandas as pd
import pytest

from pipeline.annotations.dataset_clips import list_clips
from pipeline.clips import read_clips
from tests.small_annotations import small_params, write_raw


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_raw(tmp_path / "raw")
    return tmp_path / "raw"


@pytest.fixture
def table(raw: Path, tmp_path: Path) -> pd.DataFrame:
    list_clips(raw, tmp_path / "clips.csv", small_params())
    return read_clips(tmp_path / "clips.csv").set_index("clip")


def test_every_wanted_clip_has_a_row_sorted_by_part_and_name(table: pd.DataFrame) -> None:
    assert list(zip(table["subset"], table["split"], table.index, strict=True)) == [
        ("ava", "train", "-a"),
        ("kinetics", "train", "kkk_000012_000022"),
        ("kinetics", "train", "lost_000000_000010"),
        ("kinetics", "pretrain", "runner_000000_000004"),
        ("val", "val_ava", "v-v"),
    ]


def test_a_clip_knows_its_place_in_the_video_and_in_the_file(table: pd.DataFrame) -> None:
    times = table[["start_seconds", "end_seconds", "offset_seconds"]]

    assert times.loc["-a"].tolist() == [900, 910, 900]
    assert times.loc["kkk_000012_000022"].tolist() == [12, 22, 0]


def test_windows_join_the_keyframes_and_leave_out_the_excluded(table: pd.DataFrame) -> None:
    # Keyframes at numbers 60 and 90, with 40 frames before and 29 after; 210 is excluded.
    assert table.loc["-a", "windows"] == "20-119"
    # At 2.016 s, number 60, and at the very end.
    assert table.loc["kkk_000012_000022", "windows"] == "20-89 260-300"
    # 120 frames of a clip of 4 s, for its label.
    assert table.loc["runner_000000_000004", "windows"] == "1-120"


def test_labels_come_from_the_list(table: pd.DataFrame) -> None:
    assert table["label"].to_dict() == {
        "-a": "",
        "kkk_000012_000022": "waving",
        "lost_000000_000010": "",
        "runner_000000_000004": "running",
        "v-v": "",
    }


def test_only_clips_that_are_fetched_one_by_one_have_a_shard(table: pd.DataFrame) -> None:
    assert table.loc["-a", "shard"] == f"{zlib.crc32(b'-a') % 2:02d}"
    assert table.loc["kkk_000012_000022", "shard"] == ""


def test_a_video_in_no_file_list_is_counted_and_named(
    raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        counts = list_clips(raw, tmp_path / "clips.csv", small_params())

    assert (counts["clips_unlisted_ava"], counts["clips_unlisted_val"]) == (0, 1)
    assert (
        "val: its file lists and folders: found 1 of 1 videos missing, such as 'v-v'" in caplog.text
    )
    assert (counts["clips"], counts["clips_pretrain"]) == (5, 1)


@pytest.mark.parametrize(
    ("lines", "num_unlisted"),
    [
        ("kkk_000012_000022.mp4", 1),
        ("riding a bike/kkk_000012_000022.mp4\nwaving/lost_000000_000010.MP4", 0),
        ("kkk_12_22.mp4\nriding a bike/lost_0_10.mkv\n", 0),
        ("whole/kkk.mp4\nlost_000000_000010.mp4", 0),  # all of the video
        ("kkk_12_23.mp4\nlost_000000_000010.txt", 2),  # another clip, and no video
        ("../kkk_000012_000022.mp4\nlost_000000_000010.mp4", 1),  # the download passes it over
    ],
)
def test_names_of_a_file_list_are_read_as_the_download_reads_them(
    raw: Path, tmp_path: Path, lines: str, num_unlisted: int
) -> None:
    (raw / "clips.txt").write_text(lines)
    sources = [{"kind": "files", "list": "clips.txt", "url": "{mirror}/clips"}]

    counts = list_clips(raw, tmp_path / "clips.csv", small_params(sources=sources))

    assert counts["clips_kinetics"] == 2
    assert counts["clips_unlisted_kinetics"] == num_unlisted


def test_the_order_of_input_rows_changes_no_byte(raw: Path, tmp_path: Path) -> None:
    list_clips(raw, tmp_path / "one.csv", small_params())
    for name in ("ava.csv", "kinetics.csv"):
        lines = (raw / name).read_text().splitlines()
        (raw / name).write_text("\n".join(reversed(lines)))
    head, *lines = (raw / "list.csv").read_text().splitlines()
    (raw / "list.csv").write_text("\n".join([head, *reversed(lines)]))

    list_clips(raw, tmp_path / "two.csv", small_params())

    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_labels_to_train_on_need_a_list(raw: Path, tmp_path: Path) -> None:
    params = small_params(clip_list=None)

    with pytest.raises(ValueError, match="no training subset with a clip_list"):
        list_clips(raw, tmp_path / "clips.csv", params)
