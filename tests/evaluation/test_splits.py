"""Validation splits scored together: one ground truth, one list, each with its own keyframes."""

import pandas as pd
import pytest

from pipeline.evaluation.metrics import score_available, score_split
from pipeline.evaluation.splits import SplitTables, with_joint

CLASSES = {12: "stand", 14: "walk"}
BOX = (0.1, 0.1, 0.5, 0.9)
COLUMNS = ["video_id", "timestamp", "x1", "y1", "x2", "y2", "action_id"]


def rows(*found, columns=()):
    """Rows (video, second, action, ...) with one box for all."""
    flat = [(video, float(second), *BOX, action, *rest) for video, second, action, *rest in found]
    return pd.DataFrame(flat, columns=[*COLUMNS, *columns])


def keyframes(*found):
    table = pd.DataFrame(found, columns=["video_id", "timestamp"])
    return table.astype({"video_id": "str", "timestamp": "float64"})


def tables(ground_truth, detections, excluded=()):
    people, found = rows(*ground_truth), rows(*detections, columns=["score"])
    return SplitTables(found, people, keyframes(*excluded), people[["video_id", "timestamp"]])


def test_joint_map_ranks_all_detections_in_one_list():
    ava = tables([("a", 902, 12), ("a", 903, 12)], [("a", 902, 12, 0.9), ("a", 903, 14, 0.7)])
    kinetics = tables([("k", 5, 12), ("k", 6, 14)], [("k", 6, 12, 0.8), ("k", 5, 12, 0.6)])

    scores = {
        split: score_available(each, CLASSES)
        for split, each in with_joint({"val_ava": ava, "val_kinetics": kinetics}).items()
    }

    assert list(scores) == ["val_ava", "val_kinetics", "val_all"]
    assert scores["val_ava"].per_class[12] == pytest.approx(1 / 2)
    # Kinetics: a miss, then a hit. Together: hit, miss, hit of three boxes.
    assert scores["val_kinetics"].per_class[12] == pytest.approx(1 / 2)
    assert scores["val_all"].per_class[12] == pytest.approx((1 + 2 / 3) / 3)
    assert scores["val_all"].per_class[14] == 0.0
    assert scores["val_all"].counts["keyframes"] == 4


def test_a_video_id_in_both_splits_means_two_videos():
    ava = tables([("same", 5, 12)], [("same", 5, 12, 0.9)])
    kinetics = tables([("same", 5, 12)], [("same", 5, 14, 0.9)])

    joint = with_joint({"val_ava": ava, "val_kinetics": kinetics})["val_all"]
    scores = score_available(joint, CLASSES)

    # One keyframe for both would make the second ground truth box a double of the first.
    assert scores.counts["keyframes"] == 2
    assert scores.matches.video_ids.tolist() == ["val_ava/same", "val_kinetics/same"]
    assert scores.per_class[12] == pytest.approx(1 / 2)


def test_exclusions_and_missing_keyframes_stay_in_their_split():
    ava = tables([("same", 5, 12)], [("same", 5, 12, 0.9)], excluded=[("same", 5)])
    kinetics = tables([("same", 5, 12), ("gone", 1, 12)], [("same", 5, 12, 0.8)])
    had = SplitTables(
        kinetics.detections, kinetics.ground_truth, kinetics.exclusions, keyframes(("same", 5))
    )

    joint = with_joint({"val_ava": ava, "val_kinetics": had})["val_all"]
    scores = score_split(joint, CLASSES)

    assert scores["official"].counts["keyframes"] == 1
    assert scores["official"].per_class[12] == 1.0
    assert scores["official_all_ground_truth"].counts["keyframes"] == 2
    assert scores["official_all_ground_truth"].per_class[12] == pytest.approx(1 / 2)


def test_a_single_split_has_no_joint_one():
    ava = tables([("a", 5, 12)], [("a", 5, 12, 0.9)])

    assert list(with_joint({"val_ava": ava})) == ["val_ava"]


def test_a_split_of_the_joint_name_is_refused():
    ava = tables([("a", 5, 12)], [("a", 5, 12, 0.9)])

    with pytest.raises(ValueError, match="expected none to be called 'val_all'"):
        with_joint({"val_ava": ava, "val_all": ava})
