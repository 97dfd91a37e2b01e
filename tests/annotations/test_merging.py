import io

import numpy as np
import pandas as pd
import pytest

from pipeline.annotations.ava_csv import read_ground_truth
from pipeline.annotations.keyframes import annotated_keyframes
from pipeline.annotations.merging import REASONS, locate_keyframes, merge_subset, with_proposals
from pipeline.video.stored_frames import StoredFrames

# The cases of the published tools and dataset: two videos, two Kinetics clips, one of them short.
GROUND_TRUTH = """\
abcdefghijk,13.000000,0.100,0.200,0.500,0.900,12
abcdefghijk,16.000000,0.000,0.000,1.000,1.000,80
ab_d-fgh_jk,1.000000,0.250,0.250,0.750,0.750,74
ab_d-fgh_jk,2.000000
-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80
-5KQ66BBWC4,0902,0.226,0.032,0.366,0.497,12
-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,9
-5KQ66BBWC4,0903,0.226,0.032,0.366,0.497,12
-5KQ66BBWC4,0903.000000,0.226,0.032,0.366,0.497,17"""  # no final newline
CLIPS = pd.DataFrame(
    [
        ("abcdefghijk_000012_000016", "abcdefghijk", 12.0, 16.0),
        ("ab_d-fgh_jk_000000_000003", "ab_d-fgh_jk", 0.0, 3.0),
        ("-5KQ66BBWC4", "-5KQ66BBWC4", 900.0, 1800.0),
    ],
    columns=["clip", "video_id", "start_seconds", "end_seconds"],
)
EXCLUDED = pd.DataFrame({"video_id": ["-5KQ66BBWC4", "zzzzzzzzzzz"], "timestamp": [903.0, 950.0]})
NOTHING_LOST = pd.Series([], dtype="str")
NOTHING_EXCLUDED = EXCLUDED[:0]


def stored(**last_frames):
    """A store that holds frames 1..last of each clip, 8 x 6 pixels, in shard 00."""
    names = pd.Index(list(last_frames), dtype="str", name="clip")
    lasts = list(last_frames.values())
    clips = pd.DataFrame({"shard": "00", "last_frame": lasts, "width": 8, "height": 6}, names)
    runs = pd.DataFrame({"position": range(len(lasts)), "first": 1, "last": lasts}, dtype="int64")
    return StoredFrames(clips, runs)


# The Kinetics clip has 119 of its 120 frames, as so many files.
STORED = stored(
    **{"abcdefghijk_000012_000016": 119, "ab_d-fgh_jk_000000_000003": 90, "-5KQ66BBWC4": 200}
)


def ground_truth_of(tmp_path, text):
    path = tmp_path / "ground_truth.csv"
    path.write_text(text)
    return read_ground_truth(path)


def merged(ground_truth, excluded=EXCLUDED, clips=CLIPS, store=STORED, lost=NOTHING_LOST):
    return merge_subset("p", ground_truth, excluded, clips, store, lost, window=(40, 29))


def dropped(subset):
    return {k.removeprefix("dropped_"): n for k, n in subset.counts.items() if n and "dropped" in k}


def one_clip(rows):
    """Ground truth rows of video v (seconds 0 to 10), as a table."""
    columns = ["timestamp", "x1", "y1", "x2", "y2", "action_id"]
    return pd.DataFrame(rows, columns=columns).assign(video_id="v", person_id=-1)


V = pd.DataFrame([("v", "v", 0.0, 10.0)], columns=CLIPS.columns)
BOX = (0.25, 0.25, 0.75, 0.75)


def test_the_index_has_a_row_per_keyframe_sorted_by_video_and_time(tmp_path):
    index = merged(ground_truth_of(tmp_path, GROUND_TRUTH)).index.to_pandas()

    assert list(zip(index["video_id"], index["timestamp"], index["frame"], strict=True)) == [
        ("-5KQ66BBWC4", 902.0, 60),
        ("ab_d-fgh_jk", 1.0, 30),
        ("ab_d-fgh_jk", 2.0, 60),
        ("abcdefghijk", 13.0, 30),
        ("abcdefghijk", 16.0, 120),  # the last second is kept although its frame is the 119th
    ]
    assert index["last_frame"].tolist() == [200, 90, 90, 119, 119]
    assert index[["subset", "shard", "width", "height"]].drop_duplicates().to_numpy().tolist() == [
        ["p", "00", 8, 6]
    ]


def test_equal_boxes_are_one_person_with_several_labels(tmp_path):
    first = merged(ground_truth_of(tmp_path, GROUND_TRUTH)).index.to_pylist()[0]

    assert np.allclose(first["boxes"], [0.077, 0.151, 0.283, 0.811, 0.226, 0.032, 0.366, 0.497])
    assert first["labels"] == [[9, 80], [12]]


def test_a_keyframe_without_people_has_no_boxes(tmp_path):
    subset = merged(ground_truth_of(tmp_path, GROUND_TRUTH))

    assert subset.index.to_pylist()[2]["boxes"] == subset.index.to_pylist()[2]["labels"] == []
    assert subset.counts["keyframes_without_people"] == 1


def test_excluded_keyframes_are_dropped_however_they_are_written(tmp_path):
    assert dropped(merged(ground_truth_of(tmp_path, GROUND_TRUTH))) == {"excluded": 2}


def test_the_order_of_rows_changes_nothing(tmp_path):
    lines = GROUND_TRUTH.splitlines()
    one = merged(ground_truth_of(tmp_path, "\n".join(lines)))
    for seed in range(3):
        shuffled = np.random.default_rng(seed).permutation(lines)

        other = merged(ground_truth_of(tmp_path, "\n".join(shuffled)), clips=CLIPS[::-1])

        assert other.index.equals(one.index)
        assert other.counts == one.counts


def test_rows_that_stand_twice_count_once(tmp_path):
    one = merged(ground_truth_of(tmp_path, GROUND_TRUTH), NOTHING_EXCLUDED)

    twice = merged(ground_truth_of(tmp_path, f"{GROUND_TRUTH}\n{GROUND_TRUTH}"), NOTHING_EXCLUDED)

    assert twice.index.equals(one.index)
    # The row without people says twice that nobody is there, which is no duplicate of a person.
    assert dropped(twice) == {"duplicate_row": 8}


def test_ids_up_to_the_last_output_of_the_classifier_are_kept():
    ground_truth = one_clip([(1.0, *BOX, 12), (1.0, *BOX, 81), (1.0, *BOX, 82)])

    merged = merge_subset(
        "p", ground_truth, NOTHING_EXCLUDED, V, stored(v=100), NOTHING_LOST, (0, 0), outputs=82
    )

    assert merged.counts["dropped_class_outside_the_list"] == 1
    assert merged.labels[[12, 81, 82]].sum(axis=1).tolist() == [1, 1, 1]


def test_every_dropped_row_is_counted_by_its_reason():
    ground_truth = one_clip(
        [
            (1.0, *BOX, 12),
            (1.0, *BOX, 81),
            (1.0, 0.5, 0.1, 0.5, 0.9, 12),
            (1.0, *BOX, 12),
            (9.0, *BOX, 12),
            (11.0, *BOX, 12),
            (3.0, *BOX, 12),
        ]
    )
    excluded = pd.DataFrame({"video_id": ["v"], "timestamp": [3.0]})

    subset = merged(ground_truth, excluded, V, stored(v=100))

    assert dropped(subset) == {
        "excluded": 1,
        "outside_every_clip": 1,
        "frames_short": 1,
        "class_outside_the_list": 1,
        "degenerate_box": 1,
        "duplicate_row": 1,
    }
    assert subset.counts["rows"] == 7 == sum(dropped(subset).values()) + subset.counts["labels"]


@pytest.mark.parametrize(
    ("kind", "reason"), [("damaged", "damaged"), ("frames short", "frames_short")]
)
def test_rows_of_a_clip_without_frames_say_why(kind, reason):
    ground_truth = one_clip([(1.0, *BOX, 12)])

    subset = merged(ground_truth, NOTHING_EXCLUDED, V, stored(u=1), pd.Series({"v": kind}))

    assert dropped(subset) == {reason: 1}
    assert len(subset.index) == 0


def test_a_keyframe_counts_as_annotated_when_all_its_labels_are_dropped():
    subset = merged(one_clip([(1.0, *BOX, 99)]), NOTHING_EXCLUDED, V, stored(v=300))

    assert subset.index.to_pylist()[0]["labels"] == []


def test_boxes_over_the_edge_are_cut():
    ground_truth = one_clip([(1.0, -0.5, 0.25, 1.5, 0.75, 12)])

    subset = merged(ground_truth, NOTHING_EXCLUDED, V, stored(v=300))

    assert subset.index.to_pylist()[0]["boxes"] == [0.0, 0.25, 1.0, 0.75]


@pytest.mark.parametrize(
    ("last_frame", "usable"), [(300, True), (285, True), (284, False), (100, False)]
)
def test_a_keyframe_half_a_second_behind_the_last_frame_is_usable(last_frame, usable):
    keyframes, _ = annotated_keyframes(one_clip([(10.0, *BOX, 12)]), NOTHING_EXCLUDED)

    found = locate_keyframes(keyframes, V, stored(v=last_frame), NOTHING_LOST, (40, 29))

    assert (REASONS[found["reason"][0]] == "") == usable


def test_a_gap_within_the_window_makes_a_keyframe_unusable():
    keyframes, _ = annotated_keyframes(one_clip([(2.0, *BOX, 12), (7.0, *BOX, 12)]), EXCLUDED)
    runs = pd.DataFrame({"position": [0, 0], "first": [1, 101], "last": [99, 300]})
    store = StoredFrames(stored(v=300).clips, runs)

    # Frames 20..89 are there; 170..239 too.
    near = locate_keyframes(keyframes, V, store, NOTHING_LOST, (40, 29))
    # Frames 1..104 miss number 100.
    far = locate_keyframes(keyframes, V, store, NOTHING_LOST, (60, 44))

    assert [REASONS[code] for code in near["reason"]] == ["", ""]
    assert [REASONS[code] for code in far["reason"]] == ["frames short", ""]


@pytest.mark.parametrize(
    ("seconds", "missing", "usable"),
    [
        (2.0, 19, True),
        (2.0, 20, False),  # 40 before frame 60
        (2.0, 89, False),  # 29 behind it
        (2.0, 90, True),
        (1.0, 1, False),  # the clip's first, where the window begins before it
    ],
)
def test_the_window_reaches_as_far_as_it_says_on_either_side(seconds, missing, usable):
    keyframes, _ = annotated_keyframes(one_clip([(seconds, *BOX, 12)]), NOTHING_EXCLUDED)
    runs = pd.DataFrame(
        {"position": [0, 0], "first": [1, missing + 1], "last": [missing - 1, 300]}
    ).query("first <= last")

    found = locate_keyframes(
        keyframes, V, StoredFrames(stored(v=300).clips, runs), NOTHING_LOST, (40, 29)
    )

    assert (REASONS[found["reason"][0]] == "") == usable


def test_the_first_and_the_last_action_are_kept_and_flat_boxes_are_not():
    flat = [(0.5, 0.1, 0.5, 0.9), (0.1, 0.5, 0.9, 0.5)]
    ground_truth = one_clip([(2.0, *BOX, 1), (2.0, *BOX, 80), *((2.0, *box, 12) for box in flat)])

    subset = merged(ground_truth, NOTHING_EXCLUDED, V, stored(v=300))

    assert subset.index.to_pylist()[0]["labels"] == [[1, 80]]
    assert dropped(subset) == {"degenerate_box": 2}


def test_clips_are_counted_with_the_keyframes_they_lost(tmp_path):
    table = merged(
        ground_truth_of(tmp_path, GROUND_TRUTH), store=stored(**{"-5KQ66BBWC4": 200})
    ).clips

    assert table.set_index("clip").to_dict("index") == {
        "-5KQ66BBWC4": {"keyframes": 1, "kept": 1, "boxes": 2},
        "ab_d-fgh_jk_000000_000003": {"keyframes": 2, "kept": 0, "boxes": 1},
        "abcdefghijk_000012_000016": {"keyframes": 2, "kept": 0, "boxes": 2},
    }


def proposals_of(text):
    names = ["video_id", "timestamp", "x1", "y1", "x2", "y2", "score"]
    return pd.read_csv(io.StringIO(text), names=names, dtype={"video_id": "str"})


def test_proposals_are_given_best_first_and_the_whole_frame_where_there_is_none(tmp_path):
    index = merged(ground_truth_of(tmp_path, GROUND_TRUTH)).index
    proposals = proposals_of(
        "-5KQ66BBWC4,902,0.5,0.5,0.75,0.75,0.5\n"
        "-5KQ66BBWC4,902,0.0,0.0,0.25,0.25,0.75\n"
        "ab_d-fgh_jk,1,0.25,0.25,0.75,0.75,1.0\n"
        "elsewhere,1,0.25,0.25,0.75,0.75,1.0\n"
    )

    table = with_proposals(index, proposals)

    assert table["proposals"].to_pylist() == [
        [0.0, 0.0, 0.25, 0.25, 0.75, 0.5, 0.5, 0.75, 0.75, 0.5],
        [0.25, 0.25, 0.75, 0.75, 1.0],
        *[[0.0, 0.0, 1.0, 1.0, 1.0]] * 3,
    ]
    assert with_proposals(index, proposals[::-1]).equals(table)
