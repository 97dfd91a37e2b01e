"""Numbers of the official script and of mmaction2, and what is counted.

The adversarial files are in `tests/test_score.py`, the properties in `test_properties.py`.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.annotations.ava_csv import read_detections, read_exclusions, read_ground_truth
from pipeline.annotations.class_list import read_class_list
from pipeline.evaluation.metrics import score_detections
from tests.evaluation.small_tables import FEW, WHOLE, as_table, score

REFERENCE = Path(__file__).parents[1] / "reference"
CLASSES = read_class_list(REFERENCE / "evaluator/labels.pbtxt")
NAMES = {
    "official": "official_capacity_50",
    "uncapped": "official_uncapped",
    "mmaction2": "mmaction2",
}
NO_EXCLUSIONS = read_exclusions(None)


def score_mmaction2(protocol, ground_truth="gt", excluded=False, without=None):
    folder = REFERENCE / "mmaction2_eval"
    detections = read_detections(folder / "detections.csv")
    return score_detections(
        detections if without is None else detections[detections["action_id"] != without],
        read_ground_truth(folder / f"{ground_truth}.csv"),
        read_exclusions(folder / "excluded.csv" if excluded else None),
        read_class_list(folder / "labels.pbtxt"),
        protocol,
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("AVAMetric", {"excluded": True}),
        ("no_exclusion", {}),
        ("excluded_removed_from_gt", {"excluded": True, "ground_truth": "gt_without_excluded"}),
        ("class_12_never_detected", {"excluded": True, "without": 12}),
    ],
)
def test_mmaction2_protocol_gives_its_numbers(name, options):
    expected = json.loads((REFERENCE / "mmaction2_eval/eval.json").read_text())[name]

    scores = score_mmaction2("mmaction2", **options)

    assert scores.mAP == pytest.approx(expected["mAP"]["overall"], abs=1e-12)
    for category, value in scores.per_category().items():
        assert value == pytest.approx(expected["mAP"][category], abs=1e-12)
    for action, ap in expected["per_class"].items():
        if action != "12" or "without" not in options:
            assert scores.per_class[int(action)] == pytest.approx(ap, abs=5e-5, nan_ok=True)


@pytest.mark.parametrize(("protocol", "name"), [("official", "cap50"), ("uncapped", "nocap")])
def test_official_protocol_gives_its_numbers_on_mmaction2_detections(protocol, name):
    results = json.loads((REFERENCE / "mmaction2_eval/eval.json").read_text())
    expected = results[f"official_activitynet_{name}"]

    scores = score_mmaction2(protocol)

    assert scores.mAP == pytest.approx(float(expected["PascalBoxes_Precision/mAP@0.5IOU"]))
    for action, ap in scores.per_class.items():
        found = float(expected[f"PascalBoxes_PerformanceByCategory/AP@0.5IOU/c{action}"])
        assert ap == pytest.approx(found, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    "name", ["val_semi_v22_tiny_d9", "val_semi_v22_medium_d9", "pose_tiny_d9", "pose_medium_d9"]
)
def test_generated_detections_give_the_original_numbers(name, external, tmp_path):
    pytest.importorskip("polars", reason="the generator of these detections needs polars")
    expected = json.loads(external("reference/7_evaluator/results.json").read_text())[name]
    ground_truth = external("annotations") / expected["truth"]
    made, out = expected["detections"], tmp_path / "detections.csv"
    generator = [
        sys.executable,
        "-B",
        str(external("reference/7_evaluator/generate_detections.py")),
    ]
    options = [
        "--gt",
        ground_truth,
        "--labelmap",
        REFERENCE / "evaluator/labels.pbtxt",
        "--out",
        out,
    ]
    options += ["--seed", made["seed"], "--decimals", 9, "--min-score", made["min_score"]]
    subprocess.run([*generator, *map(str, options), "--unique"], check=True, capture_output=True)

    for protocol, key in NAMES.items():
        if key in expected["mAP"]:
            scores = score_detections(
                read_detections(out),
                read_ground_truth(ground_truth),
                NO_EXCLUSIONS,
                CLASSES,
                protocol,
            )
            assert scores.mAP == pytest.approx(expected["mAP"][key], abs=1e-12)
            for action, ap in expected["per_class"][key].items():
                value = math.nan if ap is None else ap
                assert scores.per_class[int(action)] == pytest.approx(value, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("x1", "y1", "half", "x2", "y2", "expected"),
    [
        (0.204, 0.107, 0.317, 0.430, 0.131, 1.0),  # just above a half with both in float32
        (0.031, 0.165, 0.075, 0.119, 0.437, 0.0),  # just below it
        (0.013, 0.117, 0.313, 0.613, 0.917, 0.0),
    ],
)
def test_mmaction2_overlaps_are_those_of_two_float32_boxes(x1, y1, half, x2, y2, expected):
    # Sides and areas one operation at a time, each rounded; the shared area is a float64.
    number = np.float32
    side = float(number(half) - number(x1)) * float(number(y2) - number(y1))
    areas = [(number(right) - number(x1)) * (number(y2) - number(y1)) for right in (half, x2)]
    assert (side / (float(areas[0] + areas[1]) - side) >= 0.5) == bool(expected)

    detection = ("a", 1.0, (x1, y1, half, y2), 1, 0.9)
    scores = score([detection], [("a", 1.0, (x1, y1, x2, y2), 1, None)], "mmaction2")

    assert scores.mAP == expected


def test_mmaction2_ranks_by_float32_scores():
    # The miss is better by one digit that float32 does not have; then the box further up is first.
    rows = [("a", 1.0, WHOLE, 1, 0.7), ("a", 1.0, (0.0, 0.9, 1.0, 1.0), 1, math.nextafter(0.7, 1))]
    ground_truth = [("a", 1.0, WHOLE, 1, None)]

    assert score(rows, ground_truth, "mmaction2").mAP == 1.0
    assert score(rows, ground_truth, "uncapped").mAP == 0.5


def test_counts_say_what_was_left_out():
    box = (0.0, 0.0, 1.0, 1.0)
    ground_truth = [("a", 1.0, box, 1, None), ("a", 2.0, box, 1, None)]
    detections = [
        ("a", 1.0, box, 1, 0.9),
        ("a", 1.0, (0.5, 0.0, 0.5, 1.0), 1, 0.9),  # no area
        ("a", 1.0, box, 2, 0.9),  # no class that counts
        ("b", 1.0, box, 1, 0.9),  # no keyframe
        ("a", 2.0, box, 1, 0.9),  # excluded
    ]
    exclusions = pd.DataFrame({"video_id": ["a"], "timestamp": [2.0]})

    table = as_table(ground_truth).drop(columns="score")
    scores = score_detections(as_table(detections), table, exclusions, FEW, "official")

    assert scores.counts == {
        "rows": 5,
        "rows_of_other_classes": 1,
        "rows_outside_keyframes": 1,
        "rows_excluded": 1,
        "rows_over_limit": 0,
        "rows_without_area": 1,
        "rows_used": 1,
        "keyframes": 1,
        "ground_truth_boxes": 1,
    }
    assert scores.mAP == 1.0


@pytest.mark.parametrize("box", [(0.5, 0.0, 0.4, 1.0), (0.0, 0.5, 1.0, 0.4)])
def test_ground_truth_box_with_swapped_corners_is_refused_by_its_row(box):
    ground_truth = [("a", 1.0, WHOLE, 1, None), ("a", 2.0, box, 1, None)]

    with pytest.raises(ValueError, match=r"row 2: found box .*0\.4.*, expected x1 <= x2 and y1"):
        score([("a", 2.0, WHOLE, 1, 0.5)], ground_truth)


@pytest.mark.parametrize("box", [(0.5, 0.0, 0.5, 1.0), (0.0, 0.5, 1.0, 0.5)])
def test_flat_ground_truth_box_is_no_error_and_never_found(box):
    detections = [("a", 1.0, WHOLE, 1, 0.9), ("b", 1.0, WHOLE, 1, 0.5)]

    scores = score(detections, [("a", 1.0, box, 1, None), ("b", 1.0, WHOLE, 1, None)])

    assert scores.per_class[1] == 0.25


def test_fraction_of_a_second_is_refused_by_its_row_as_mmaction2_does():
    detections = [("a", 1.0, WHOLE, 1, 0.9), ("a", 1.5, WHOLE, 1, 0.9)]

    with pytest.raises(ValueError, match=r"row 2: found timestamp 1\.5, expected whole seconds"):
        score(detections, [("a", 1.0, WHOLE, 1, None)], "mmaction2")


def test_keyframe_without_people_is_refused_by_its_row_as_mmaction2_does():
    ground_truth = [("a", 1.0, WHOLE, 1, None), ("a", 2.0, (0.0,) * 4, 0, None)]

    with pytest.raises(ValueError, match=r"row 2: found 2 columns .*, expected 7 or 8"):
        score([("a", 1.0, WHOLE, 1, 0.9)], ground_truth, "mmaction2")


@pytest.mark.parametrize("counted", [(1, 3), (3, 2**21)])
def test_ids_that_do_not_count_are_left_out_whatever_their_size(counted):
    others = {2, 4, 5, 6, 100, 2**20, 2**31} - set(counted)
    ground_truth = [("a", 1.0, WHOLE, action, None) for action in counted]
    detections = [("a", 1.0, WHOLE, action, 0.5) for action in [*others, *counted]]

    scores = score(detections, ground_truth, classes={action: str(action) for action in counted})

    assert scores.per_class == dict.fromkeys(counted, 1.0)
    assert scores.counts["rows_of_other_classes"] == len(others)


def test_category_ids_may_come_dictionary_encoded():
    ground_truth = [("a", 1.0, (0.0, 0.0, 1.0, 1.0), 1, None)]
    detections = as_table(
        [("b", 1.0, ground_truth[0][2], 1, 0.9), ("a", 1.0, ground_truth[0][2], 1, 0.4)]
    )
    detections["video_id"] = detections["video_id"].astype("category")

    table = as_table(ground_truth).drop(columns="score")

    assert score_detections(detections, table, NO_EXCLUSIONS, FEW, "official").mAP == 1.0


def test_unknown_protocol_names_the_known_ones():
    with pytest.raises(ValueError, match=r"found 'offical', expected one of .*official"):
        score([], [], "offical")
