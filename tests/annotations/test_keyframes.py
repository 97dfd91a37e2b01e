import numpy as np
import pandas as pd
import pytest

from pipeline.annotations.keyframes import (
    annotated_keyframes,
    choose_clips,
    key_timestamps,
    keyframe_keys,
    keyframe_numbers,
)


def keyframes(*pairs):
    return pd.DataFrame(pairs, columns=["video_id", "timestamp"])


def clips(*rows):
    return pd.DataFrame(rows, columns=["video_id", "clip", "start_seconds", "end_seconds"])


def test_keys_are_equal_where_video_and_microsecond_are():
    first, second = keyframe_keys(
        keyframes(("a", 17.0), ("b", 5.016949)),
        keyframes(("b", 5.0169490000001), ("a", 17.0), ("a", 17.000001)),
    )

    assert first.tolist() == [second[1], second[0]]
    assert second[2] == second[1] + 1


def test_keys_sort_like_video_and_time():
    (keys,) = keyframe_keys(keyframes(("-x", 900.0), ("-x", 1000.0), ("a", 2.0)))

    assert (np.diff(keys) > 0).all()


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), 1e9, 4000001.0])
def test_a_timestamp_that_cannot_be_one_is_refused(seconds):
    with pytest.raises(ValueError, match="video b: found timestamp"):
        keyframe_keys(keyframes(("a", 1.0), ("b", seconds), ("c", 1.0)))


def test_timestamps_from_none_to_fifty_days_keep_their_microseconds():
    seconds = [0.0, 0.000001, 3999999.999999, 4e6]

    (keys,) = keyframe_keys(keyframes(*(("a", value) for value in seconds)))

    assert key_timestamps(keys).tolist() == seconds


def test_excluded_keyframes_are_gone_and_people_less_ones_stay():
    ground_truth = keyframes(("b", 903.0), ("a", 902.0), ("b", 902.0), ("b", 903.0))
    excluded = keyframes(("b", 902.0), ("zzz", 950.0))

    found, places = annotated_keyframes(ground_truth, excluded)

    assert list(found.itertuples(index=False, name=None)) == [("a", 902.0), ("b", 903.0)]
    assert places.tolist() == [1, 0, -1, 1]


def test_the_clip_in_which_the_keyframe_is_most_central_is_chosen():
    table = clips(("v", "v_10", 10, 20), ("v", "v_14", 14, 24), ("w", "w_0", 0, 10))

    # 16 is 1 s off the middle of 10..20 and 3 s off that of 14..24; 17 is 2 s off both.
    chosen = choose_clips(keyframes(("v", 16.0), ("v", 18.0), ("v", 17.0)), table)

    assert chosen.tolist() == [0, 1, 0]


def test_both_ends_of_a_clip_are_inside_and_nothing_beyond():
    table = clips(("v", "v_12", 12, 16))

    chosen = choose_clips(keyframes(("v", 12.0), ("v", 16.0), ("v", 16.01), ("w", 13.0)), table)

    assert chosen.tolist() == [0, 0, -1, -1]


def test_a_video_without_a_known_end_contains_every_later_second():
    assert choose_clips(keyframes(("v", 5000.0)), clips(("v", "v", 0, np.inf))).tolist() == [0]


def test_fractional_timestamps_round_to_the_nearest_stored_frame():
    numbers = keyframe_numbers(np.array([14.0, 17.016, 12.0]), np.array([12.0, 12.0, 12.0]))

    assert numbers.tolist() == [60, 150, 0]  # 5.016 s is 150.48 frames
