"""What a variant's metrics files say."""

import json
import math

import pandas as pd
import pytest

from pipeline.annotations.ava_csv import read_detections, read_exclusions, read_ground_truth
from pipeline.evaluation.metrics import (
    main_split,
    read_split_ground_truth,
    score_split,
    write_metrics,
)
from pipeline.evaluation.splits import SplitTables
from pipeline.settings.sections import Subset

CLASSES = {12: "stand", 17: "carry/hold (an object)", 79: "talk to", 80: "watch (a person)"}
GROUND_TRUTH = """a,0902,0,0,1,1,12,0
a,0902,0,0,1,1,79,0
a,0903,0,0,1,1,12,0
b,0902,0,0,1,1,12,0
"""
DETECTIONS = """a,0902,0,0,1,1,12,0.9
a,0903,0,0,0.2,1,12,0.8
b,0902,0,0,1,1,12,0.7
"""


@pytest.fixture
def tables(tmp_path):
    (tmp_path / "ground_truth.csv").write_text(GROUND_TRUTH)
    (tmp_path / "detections.csv").write_text(DETECTIONS)
    return read_detections(tmp_path / "detections.csv"), read_ground_truth(
        tmp_path / "ground_truth.csv"
    )


def scores_of(tables, index):
    return score_split(SplitTables(*tables, read_exclusions(None), index), CLASSES)


def every_keyframe(tables):
    return tables[1][["video_id", "timestamp"]]


def test_never_detected_actions_count_zero_and_actions_without_ground_truth_do_not_count(tables):
    scores = scores_of(tables, every_keyframe(tables))["official"]

    assert scores.per_class[12] == pytest.approx((1 + 2 / 3) / 3)
    assert scores.per_class[79] == 0.0
    assert math.isnan(scores.per_class[80])
    assert scores.mAP == pytest.approx((1 + 2 / 3) / 3 / 2)
    assert scores.num_ground_truth == {12: 3, 17: 0, 79: 1, 80: 0}


def test_what_could_not_be_had_counts_only_against_all_ground_truth(tables):
    index = every_keyframe(tables)[lambda rows: rows["video_id"] == "a"]

    scores = scores_of(tables, index)

    assert scores["official"].counts["keyframes"] == 2
    assert scores["official"].per_class[12] == pytest.approx(1 / 2)
    assert scores["official_all_ground_truth"].counts["keyframes"] == 3
    assert scores["official_all_ground_truth"].per_class[12] == pytest.approx((1 + 2 / 3) / 3)


def test_files_hold_the_headline_and_every_protocol(tables, tmp_path):
    scores = {"val_kinetics": scores_of(tables, every_keyframe(tables))}

    write_metrics(tmp_path, "context", scores, CLASSES, num_resamples=50)

    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["variant"] == "context"
    assert metrics["split"] == "val_kinetics"
    assert metrics["mAP"] == scores["val_kinetics"]["official"].mAP
    assert (metrics["num_keyframes"], metrics["num_videos"]) == (3, 2)
    official = metrics["protocols"]["val_kinetics"]["official"]
    assert official["interval"][0] <= official["mAP"] <= official["interval"][1]
    assert official["per_category"] == {
        "person_movement": pytest.approx(5 / 9),
        "person_interaction": 0.0,
    }
    table = pd.read_csv(tmp_path / "per_class_ap.csv")
    assert table.columns.tolist() == [
        *["split", "protocol", "action_id", "action", "num_ground_truth", "AP"]
    ]
    assert table["protocol"].unique().tolist() == [
        "official",
        "uncapped",
        "mmaction2",
        "official_all_ground_truth",
    ]
    counts_zero, left_out = [False, True, False, True], [False, True, True, True]
    assert table["AP"].isna().tolist() == [*counts_zero * 2, *left_out, *counts_zero]


def test_published_protocol_stands_beside_the_others_where_it_takes_the_ground_truth(tables):
    # 79 is never detected: mmaction2 leaves it out of the mean, the official script counts it as 0.
    scores = scores_of(tables, every_keyframe(tables))

    assert scores["mmaction2"].mAP == pytest.approx((1 + 2 / 3) / 3)
    assert scores["official"].mAP == pytest.approx((1 + 2 / 3) / 3 / 2)
    detections, ground_truth = tables
    for odd in ({"timestamp": 902.5}, {"action_id": 0}):
        refused = detections, ground_truth.assign(**odd)
        assert "mmaction2" not in scores_of(refused, every_keyframe(refused))


def test_equal_scores_give_equal_bytes(tables, tmp_path):
    for name in ("one", "two"):
        scores = {"val_ava": scores_of(tables, every_keyframe(tables))}
        write_metrics(tmp_path / name, "context", scores, CLASSES, num_resamples=50)

    for file in ("metrics.json", "per_class_ap.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_headline_is_the_ava_split_where_there_is_one():
    assert main_split(["val_kinetics", "val_ava"]) == "val_ava"
    assert main_split(["val_own"]) == "val_own"
    with pytest.raises(ValueError, match="no scored split"):
        main_split([])


def test_nothing_to_score_is_null_not_nan(tables, tmp_path):
    nothing = scores_of((tables[0], tables[1][:0]), every_keyframe(tables)[:0])

    metrics = write_metrics(tmp_path, "context", {"val_ava": nothing}, CLASSES)

    assert metrics["mAP"] is None
    assert "NaN" not in (tmp_path / "metrics.json").read_text()


def test_ground_truth_of_a_split_joins_its_parts(tmp_path):
    (tmp_path / "one.csv").write_text(GROUND_TRUTH)
    (tmp_path / "two.csv").write_text("c,1.5\n")
    (tmp_path / "out.csv").write_text("a,0903\n")
    source = [{"kind": "folder", "path": "x"}]
    subsets = [
        Subset.model_validate({"proposals": "detect", "split": "val", "sources": source, **more})
        for more in (
            {"name": "one", "ground_truth": "one.csv", "excluded": "out.csv"},
            {"name": "two", "ground_truth": "two.csv"},
        )
    ]

    ground_truth, exclusions = read_split_ground_truth(tmp_path, subsets)

    assert ground_truth["video_id"].tolist() == ["a", "a", "a", "b", "c"]
    assert ground_truth["action_id"].tolist() == [12, 79, 12, 12, 0]
    assert exclusions.to_numpy().tolist() == [["a", 903.0]]
