"""The published annotation files, through our readers: what they hold, counted with csv alone."""

import csv
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from pipeline.annotations.ava_csv import read_detections, read_exclusions, read_ground_truth
from pipeline.annotations.class_list import read_class_list
from pipeline.annotations.keyframes import annotated_keyframes, choose_clips
from pipeline.annotations.kinetics_lists import read_clip_list
from pipeline.annotations.listing import listed_clips, want_keyframes
from pipeline.annotations.merging import merge_subset
from pipeline.people.proposals import BOX, read_proposals, select_proposals
from pipeline.sources.clip_files import WantedClip, is_video, listed_files, read_lines
from pipeline.video.stored_frames import StoredFrames

KINETICS = "kinetics_val_v1.0.csv"
KINETICS_LIST = "kinetics-700_2020_val.csv"
SIXTY = "ava_action_list_v2.2_for_activitynet_2019.pbtxt"

# Rows, keyframes, boxes, classes, videos.
GROUND_TRUTHS = {
    KINETICS: (73_845, 31_272, 32_667, 78, 31_228),
    "ava_val_v2.2_excerpt_j5jmjhGBW44.csv": (38, 13, 23, 12, 1),
    "val_pose_v21.csv": (93_400, 50_029, 93_393, 14, 64),
    "val_pose_v21_medium.csv": (11_592, 6_427, 11_591, 13, 8),
    "val_pose_v21_tiny.csv": (1_007, 828, 1_007, 6, 1),
    "val_semi_v22.csv": (242_517, 50_029, 93_393, 80, 64),
    "val_semi_v22_medium.csv": (30_133, 6_427, 11_591, 79, 8),
    "val_semi_v22_neg.csv": (249_896, 57_408, 93_393, 80, 64),
    "val_semi_v22_tiny.csv": (2_648, 828, 1_007, 48, 1),
}
# Excluded keyframes, and of how many videos.
EXCLUSIONS = {"train": (161, 29), "val": (37, 7), "test": (66, 11)}


@pytest.fixture
def files(external):
    return external("annotations")


def plain_rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def whole_store(clips):
    """A store that holds every frame of every clip."""
    last = ((clips["end_seconds"] - clips["start_seconds"]) * 30).round().astype(int)
    names = pd.Index(clips["clip"], dtype="str", name="clip")
    shape = {"shard": "00", "last_frame": last.to_numpy(), "width": 8, "height": 6}
    runs = {"position": np.arange(len(clips)), "first": 1, "last": last.to_numpy()}
    return StoredFrames(pd.DataFrame(shape, names), pd.DataFrame(runs, dtype="int64"))


def merged(ground_truth, excluded, clips):
    lost = pd.Series([], dtype="str")
    return merge_subset(
        "p", ground_truth, excluded, clips, whole_store(clips), lost, window=(40, 29)
    )


def central_clips(keyframes, clips):
    """Of the clips of a video that show a keyframe, the one where it is most central."""
    spans = defaultdict(list)
    for _, video, start, end, _ in clips:
        spans[video].append((int(start), int(end)))
    names = set()
    for video, second in {(row[0], float(row[1])) for row in keyframes}:
        showing = [(a, b) for a, b in spans[video] if a - 1e-6 <= second <= b + 1e-6]
        start, end = min(showing, key=lambda ab: (round(abs(2 * second - sum(ab)), 6), ab))
        names.add(f"{video}_{start:06d}_{end:06d}")
    return names


@pytest.mark.parametrize("name", GROUND_TRUTHS)
def test_ground_truth_file_holds_what_csv_finds_in_it(files, name):
    rows = plain_rows(files / name)
    people = [row for row in rows if len(row) > 2]
    found = {tuple(row[:2]) for row in rows}, {tuple(row[:6]) for row in people}
    classes, videos = Counter(int(row[6]) for row in people), {row[0] for row in rows}

    ground_truth = read_ground_truth(files / name)
    keyframes, places = annotated_keyframes(ground_truth, read_exclusions(None))

    with_people = ground_truth[ground_truth["action_id"] != 0]
    counted = (
        len(ground_truth),
        len(keyframes),
        len(with_people[["video_id", "timestamp", *BOX]].drop_duplicates()),
    )
    assert (
        *counted,
        with_people["action_id"].nunique(),
        ground_truth["video_id"].nunique(),
    ) == GROUND_TRUTHS[name]
    assert (len(rows), *map(len, found), len(classes), len(videos)) == GROUND_TRUTHS[name]
    assert with_people["action_id"].value_counts().to_dict() == classes
    assert len(ground_truth) - len(with_people) == sum(len(row) == 2 for row in rows)
    assert np.array_equal(ground_truth["timestamp"], [float(row[1]) for row in rows])
    assert np.array_equal(with_people[BOX], np.array([row[2:6] for row in people], np.float64))
    persons = [int(row[7]) if len(row) == 8 else -1 for row in people]
    assert np.array_equal(with_people["person_id"], persons)
    assert places.min() == 0


def test_kinetics_keyframes_are_fractional_and_some_have_rows_of_both_kinds(files):
    ground_truth = read_ground_truth(files / KINETICS)
    keyframes, places = annotated_keyframes(ground_truth, read_exclusions(None))

    empty = (ground_truth["action_id"] == 0).to_numpy()
    assert (empty.sum(), (~empty).sum()) == (8_673, 65_172)
    assert len(set(places[empty]) & set(places[~empty])) == 37
    # 41.5 %, as known of the whole dataset.
    assert (keyframes["timestamp"] % 1 != 0).sum() == 12_993


def test_every_kinetics_keyframe_lies_in_a_clip_of_the_list(files):
    rows = plain_rows(files / KINETICS_LIST)[1:]
    ground_truth = read_ground_truth(files / KINETICS)
    keyframes, _ = annotated_keyframes(ground_truth, read_exclusions(None))

    clips = read_clip_list(files / KINETICS_LIST)
    chosen = choose_clips(keyframes, clips)

    assert len(clips) == len(rows) == 34_198
    assert clips["video_id"].nunique() == len({row[1] for row in rows}) == 34_145
    assert set(clips["clip"]) == {f"{r[1]}_{int(r[2]):06d}_{int(r[3]):06d}" for r in rows}
    assert (
        dict(zip(clips["clip"], clips["label"], strict=True))["---QUuC4vJs_000084_000094"]
        == "testifying"
    )
    assert (files / "label_map_k700.txt").read_text().split("\n")[:-1] == sorted(
        set(clips["label"])
    )
    assert (chosen >= 0).all()


def test_all_of_kinetics_val_reaches_the_index_when_every_clip_is_there(files):
    ground_truth = read_ground_truth(files / KINETICS)
    keyframes, _ = annotated_keyframes(ground_truth, read_exclusions(None))
    candidates = listed_clips(keyframes, read_clip_list(files / KINETICS_LIST))
    want = want_keyframes(
        keyframes, candidates, subset="p", split="val", offset_seconds=0.0,
        frames_before=40, frames_after=29,
    )  # fmt: skip

    counts = merged(ground_truth, read_exclusions(None), want.clips).counts

    assert set(want.clips["clip"]) == central_clips(
        plain_rows(files / KINETICS), plain_rows(files / KINETICS_LIST)[1:]
    )
    assert (len(want.clips), want.num_outside) == (31_255, 0)
    assert {name: number for name, number in counts.items() if number} == {
        "rows": 73_845,
        "keyframes": 31_272,
        "keyframes_without_people": 8_673 - 37,
        "boxes": 32_667,
        "labels": 65_172,
    }


@pytest.mark.parametrize("split", EXCLUSIONS)
def test_excluded_keyframes_are_read_whole(files, split):
    path = files / f"ava_{split}_excluded_timestamps_v2.2.csv"
    rows = [(video, float(second)) for video, second in plain_rows(path)]

    excluded = read_exclusions(path)

    assert list(excluded.itertuples(index=False, name=None)) == rows
    assert (len(excluded), excluded["video_id"].nunique()) == EXCLUSIONS[split]


def test_rows_at_excluded_keyframes_are_dropped_under_that_reason(files):
    path = files / "ava_val_excluded_timestamps_v2.2.csv"
    gone = {tuple(row) for row in plain_rows(path)}
    rows = plain_rows(files / "val_semi_v22_neg.csv")
    num_dropped = sum(tuple(row[:2]) in gone for row in rows)
    ground_truth = read_ground_truth(files / "val_semi_v22_neg.csv")
    clips = pd.DataFrame({"clip": sorted(set(ground_truth["video_id"]))})
    clips = clips.assign(video_id=clips["clip"], start_seconds=900.0, end_seconds=1800.0)

    counts = merged(ground_truth, read_exclusions(path), clips).counts

    assert counts["dropped_excluded"] == num_dropped == 37  # rows of two columns, all of them
    assert sum(number for name, number in counts.items() if name.startswith("dropped_")) == 37
    assert (counts["keyframes"], counts["labels"]) == (57_408 - 37, 242_517)


def test_the_two_class_lists_agree(files):
    every = read_class_list(files / "ava_action_list_v2.2.pbtxt")
    sixty = read_class_list(files / SIXTY)

    assert (list(every), len(sixty)) == (list(range(1, 81)), 60)
    assert sixty.items() <= every.items()
    assert (every[12], every[80]) == ("stand", "watch (a person)")


def test_file_names_are_videos_of_the_known_kinds(files):
    lists = {s: read_lines(files / f"ava_file_names_{s}_v2.1.txt") for s in ("trainval", "test")}

    assert {split: len(names) for split, names in lists.items()} == {"trainval": 299, "test": 131}
    assert all(is_video(name) for names in lists.values() for name in names)
    kinds = Counter(name.rpartition(".")[2] for name in lists["trainval"])
    assert kinds == {"mkv": 205, "mp4": 84, "webm": 10}


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_video_with_an_excluded_keyframe_is_in_its_file_list(files, split):
    which = "test" if split == "test" else "trainval"
    named = listed_files(read_lines(files / f"ava_file_names_{which}_v2.1.txt"))
    excluded = read_exclusions(files / f"ava_{split}_excluded_timestamps_v2.2.csv")

    wanted = [WantedClip(video, video, 900.0, 1800.0, 900.0) for video in set(excluded["video_id"])]

    assert [want.clip for want in wanted if named.find(want) is None] == []


def test_annotated_seconds_are_the_published_ones(files):
    seconds = [float(line) for line in read_lines(files / "ava_included_timestamps_v2.2.txt")]
    ground_truth = read_ground_truth(files / "val_semi_v22_neg.csv")

    assert seconds == list(range(902, 1799))
    assert set(ground_truth["timestamp"]) == set(seconds)
    # Every second of all 64 videos: those with people, those without, nothing twice.
    assert len(annotated_keyframes(ground_truth, read_exclusions(None))[0]) == 64 * 897


@pytest.mark.parametrize("name", ["val_pose_v21.csv", "val_semi_v22_neg.csv"])
def test_val_files_are_detections_as_well(files, name):
    rows = [row for row in plain_rows(files / name) if len(row) > 2]

    detections = read_detections(files / name)

    assert len(detections) == len(rows)
    assert detections.attrs["rows_without_box"] == GROUND_TRUTHS[name][0] - len(rows)
    scores = [float(row[7]) if len(row) == 8 else 1.0 for row in rows]
    assert np.array_equal(detections["score"], scores)


def test_boxes_of_a_val_file_are_proposals_each_once(files, tmp_path):
    rows = [row for row in plain_rows(files / "val_semi_v22.csv") if len(row) > 2]
    (tmp_path / "boxes.csv").write_text("".join(",".join(row[:6]) + "\n" for row in rows))
    ground_truth = read_ground_truth(files / "val_pose_v21_medium.csv")
    keyframes, _ = annotated_keyframes(ground_truth, read_exclusions(None))
    mine = {tuple(row[:2]) for row in plain_rows(files / "val_pose_v21_medium.csv")}
    boxes = [tuple(row[:6]) for row in rows if tuple(row[:2]) in mine]

    proposals = read_proposals(tmp_path / "boxes.csv")
    selected = select_proposals(proposals, keyframes)

    assert (len(proposals), proposals.attrs["dropped"]) == (242_517, {"without_area": 0})
    assert len(selected) == len(set(boxes)) == 11_591
    assert selected.attrs["dropped"] == {
        "other_keyframe": 242_517 - len(boxes),
        "duplicate": len(boxes) - 11_591,
    }
