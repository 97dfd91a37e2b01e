import zlib

import numpy as np
import pandas as pd
import pytest

from pipeline.annotations.listing import (
    clip_table,
    last_numbers,
    listed_clips,
    shard_of,
    video_clips,
    want_keyframes,
    want_labels,
    window_texts,
)

CLIP_LIST = pd.DataFrame(
    {
        "label": ["run", "run", "run", "wave"],
        "video_id": ["a", "b", "c", "d"],
        "start_seconds": [0.0, 0.0, 0.0, 0.0],
        "end_seconds": [10.0, 10.0, 10.0, 4.0],
        "clip": ["a_000000_000010", "b_000000_000010", "c_000000_000010", "d_000000_000004"],
    }
)


def keyframes(*pairs):
    return pd.DataFrame(pairs, columns=["video_id", "timestamp"])


def intervals(*rows):
    return pd.DataFrame(rows, columns=["clip", "first", "last"])


def wanted(frames, candidates, subset="p", split="train", before=40, after=29):
    return want_keyframes(
        frames,
        candidates,
        subset=subset,
        split=split,
        offset_seconds=0.0,
        frames_before=before,
        frames_after=after,
    )


def test_overlapping_and_touching_stretches_become_one_window():
    texts = window_texts(
        intervals(("b", 181, 250), ("a", 5, 9), ("b", 1, 70), ("b", 60, 65), ("b", 71, 80))
    )

    assert texts.to_dict() == {"a": "5-9", "b": "1-80 181-250"}


def test_a_window_reaches_before_and_after_its_keyframe():
    frames = keyframes(("v", 902.0))

    want = wanted(frames, video_clips(frames, (900, 1800)))

    assert want.intervals.to_numpy().tolist() == [["v", 60 - 40, 60 + 29]]


@pytest.mark.parametrize(("second", "window"), [(12.0, ["v", 1, 29]), (16.0, ["v", 80, 120])])
def test_a_window_ends_where_the_clip_does(second, window):
    frames = keyframes(("v", second))

    want = wanted(frames, video_clips(frames, (12, 16)))

    assert want.intervals.to_numpy().tolist() == [window]
    assert want.num_outside == 0


def test_a_keyframe_outside_the_span_is_counted_and_wants_nothing():
    frames = keyframes(("v", 11.9), ("w", 13.0))

    want = wanted(frames, video_clips(frames, (12, 16)))

    assert (want.num_outside, want.clips["clip"].tolist()) == (1, ["w"])


def test_without_a_span_the_whole_video_from_zero_counts():
    frames = keyframes(("v", 5000.0))

    want = wanted(frames, video_clips(frames, None))

    assert want.intervals.to_numpy().tolist() == [["v", 149_960, 150_029]]
    assert want.clips["end_seconds"].tolist() == [np.inf]


def test_a_video_missing_from_the_list_still_gets_a_clip():
    clips = listed_clips(keyframes(("a", 3.0), ("gone", 17.5), ("b", 55.0)), CLIP_LIST)

    assert sorted(clips["clip"]) == [
        "a_000000_000010",
        "b_000000_000010",
        "b_000050_000060",
        "c_000000_000010",
        "d_000000_000004",
        "gone_000012_000022",
    ]


def test_pretraining_takes_wanted_clips_first_then_by_name():
    have = pd.Series(["c_000000_000010"])

    want = want_labels(
        CLIP_LIST, have, subset="p", labels=["run"], clips_per_label=2, num_frames=120
    )

    assert want.clips["clip"].tolist() == ["c_000000_000010", "a_000000_000010"]
    assert want.clips["split"].unique().tolist() == ["pretrain"]


def test_pretraining_looks_at_the_middle_of_a_clip():
    have = pd.Series([], dtype="str")

    want = want_labels(CLIP_LIST, have, subset="p", labels=[], clips_per_label=1, num_frames=120)

    # The middle of 300 frames is before number 151; 120 frames are all of a clip of 4 s.
    assert want.intervals.to_numpy().tolist() == [
        ["a_000000_000010", 91, 210],
        ["d_000000_000004", 1, 120],
    ]


def test_an_unknown_label_is_refused():
    have = pd.Series([], dtype="str")

    with pytest.raises(ValueError, match="found label 'fly', expected one of the clip list's 2"):
        want_labels(CLIP_LIST, have, subset="p", labels=["fly"], clips_per_label=1, num_frames=9)


def test_a_clip_for_pretraining_joins_the_row_that_is_there():
    frames = keyframes(("a", 1.0))
    subset = wanted(frames, CLIP_LIST)
    labels = want_labels(
        CLIP_LIST,
        subset.clips["clip"],
        subset="p",
        labels=["run"],
        clips_per_label=2,
        num_frames=20,
    )

    table = clip_table([subset, labels], [], ["00"])

    assert table["clip"].tolist() == ["a_000000_000010", "b_000000_000010"]
    assert table["split"].tolist() == ["train", "pretrain"]
    assert table["windows"].tolist() == ["1-59 141-160", "141-160"]


def test_two_parts_that_share_a_video_both_tell_all_its_windows():
    first, second = keyframes(("v", 2.0)), keyframes(("v", 9.0))
    subsets = [
        wanted(first, video_clips(first, (0, 10)), subset="p", before=5, after=5),
        wanted(second, video_clips(second, (0, 10)), subset="q", split="val", before=5, after=5),
    ]

    table = clip_table(subsets, ["p", "q"], ["00"])

    assert table["windows"].tolist() == ["55-65 265-275"] * 2


def test_the_same_clip_with_two_spans_is_refused():
    frames = keyframes(("v", 2.0))
    subsets = [
        wanted(frames, video_clips(frames, (0, 10)), subset="p"),
        wanted(frames, video_clips(frames, (1, 10)), subset="q"),
    ]

    with pytest.raises(ValueError, match=r"clip v: found two spans, in subsets \['p', 'q'\]"):
        clip_table(subsets, [], ["00"])


@pytest.mark.parametrize("video", ["../../etc/passwd", "a\nb", "", ".hidden"])
def test_a_video_id_that_cannot_be_a_file_name_is_refused(video):
    frames = keyframes((video, 2.0))

    with pytest.raises(ValueError, match="subset p: found clip"):
        clip_table([wanted(frames, video_clips(frames, (0, 10)))], [], ["00"])


def test_shards_follow_the_name_alone_and_stay_empty_for_archives():
    frames = keyframes(("-v", 2.0))
    subsets = [wanted(frames, video_clips(frames, (0, 10)), subset="p")]
    shards = ["00", "01", "02"]

    assert clip_table(subsets, [], shards)["shard"].tolist() == [""]
    assert clip_table(subsets, ["p"], shards)["shard"].tolist() == [shards[zlib.crc32(b"-v") % 3]]
    assert shard_of("-v", shards) == shards[zlib.crc32(b"-v") % 3]


def test_the_last_frame_shows_a_time_before_the_end():
    starts, ends = np.array([12.0, 0.0, 0.0]), np.array([16.0, 3.95, 0.01])

    # 4 s end with number 120 on screen at 3.967 s; 3.95 s with number 119 at 3.933 s.
    assert last_numbers(starts, ends).tolist() == [120, 119, 1]
