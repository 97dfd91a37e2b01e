import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.video.stored_frames import read_stored_frames


def store(folder, shard, *rows):
    """Write a shard's index of (clip, frame) rows, frames of 8 x 6 pixels."""
    clips, frames = [row[0] for row in rows], [row[1] for row in rows]
    table = {
        "clip": pa.array(clips, pa.string()),
        "frame": pa.array(frames, pa.int32()),
        "offset": pa.array([0] * len(rows), pa.int64()),
        "length": pa.array([1] * len(rows), pa.int32()),
        "width": pa.array([8] * len(rows), pa.int32()),
        "height": pa.array([6] * len(rows), pa.int32()),
    }
    pq.write_table(pa.table(table), folder / f"{shard}.parquet")


def holds(stored, *questions):
    clips, low, high = zip(*questions, strict=True)
    places = stored.positions(pd.Series(clips))
    return stored.holds(places, np.array(low), np.array(high)).tolist()


def test_frames_are_told_as_clips_and_unbroken_runs(tmp_path):
    store(tmp_path, "00", ("b", 7), ("b", 5), ("b", 6), ("b", 9), ("a", 1))

    stored = read_stored_frames(tmp_path)

    assert stored.clips.loc["b"].to_dict() == {
        "shard": "00",
        "last_frame": 9,
        "num_frames": 4,
        "width": 8,
        "height": 6,
    }
    assert stored.clips["num_frames"].to_dict() == {"b": 4, "a": 1}
    runs = stored.runs.assign(clip=stored.clips.index[stored.runs["position"]])
    runs = runs[["clip", "first", "last"]].to_numpy().tolist()
    assert sorted(runs) == [["a", 1, 1], ["b", 5, 7], ["b", 9, 9]]


def test_only_gapless_stretches_are_held(tmp_path):
    store(tmp_path, "00", *(("v", n) for n in (1, 2, 3, 5, 6)), ("w", 9))

    stored = read_stored_frames(tmp_path)

    assert holds(
        stored, ("v", 1, 3), ("v", 2, 5), ("v", 5, 7), ("w", 9, 9), ("u", 9, 9), ("v", 3, 2)
    ) == [True, False, False, True, False, False]


def test_a_clip_in_two_shards_counts_in_the_first(tmp_path):
    store(tmp_path, "01", ("v", 1), ("v", 2))
    store(tmp_path, "00", ("v", 1))

    stored = read_stored_frames(tmp_path)

    assert stored.clips["shard"].to_dict() == {"v": "00"}
    assert holds(stored, ("v", 1, 1), ("v", 1, 2)) == [True, False]


def test_a_shard_without_frames_is_fine(tmp_path):
    store(tmp_path, "00")

    stored = read_stored_frames(tmp_path)

    assert len(stored.clips) == 0
    assert holds(stored, ("v", 1, 1)) == [False]


def test_a_folder_without_shards_or_with_another_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="found no index of stored frames"):
        read_stored_frames(tmp_path)

    (tmp_path / "00.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match=r"00\.parquet"):
        read_stored_frames(tmp_path)
