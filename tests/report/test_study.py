"""The report trusts no number that the detections do not bear out."""

import json
import shutil

import pytest

from pipeline.evaluation.metrics import MAIN_PROTOCOL
from tests.report.conftest import Build


def test_variants_stand_in_the_order_of_the_settings(study, build):
    assert [variant.name for variant in study.variants] == build.params.variants
    assert study.split == "val_ava"
    assert study.variants[0].step is None


def test_steps_are_differences_of_the_measured_map(study):
    for before, after in zip(study.variants, study.variants[1:], strict=False):
        assert after.step.difference == pytest.approx(after.mAP - before.mAP)
        assert after.step.interval.low <= after.step.interval.high


def test_best_is_the_highest_measured_not_the_highest_published(study):
    assert study.best.mAP == max(variant.mAP for variant in study.variants)


def test_published_numbers_stay_what_the_settings_say(study, build):
    found = {variant.name: variant.published for variant in study.variants}

    assert found == build.params.report.published


def test_metrics_that_the_detections_do_not_bear_out_are_refused(build, tmp_path):
    copy = Build(tmp_path / "copy", build.params)
    shutil.copytree(build.folder, copy.folder)
    path = copy.folder / "results/variants/focal/metrics.json"
    metrics = json.loads(path.read_text())
    metrics["mAP"] -= 0.01
    path.write_text(json.dumps(metrics))

    with pytest.raises(ValueError, match=r"focal/detections.parquet: found detections worth"):
        copy.load()


def test_missing_ground_truth_is_noticed(study):
    assert study.missing_from("val_ava")
    assert study.best.measured("val_ava", MAIN_PROTOCOL)["counts"]["keyframes"] == 12
    found = study.best.coverage("val_ava")
    assert (found["num_keyframes"], found["num_keyframes_all_ground_truth"]) == (12, 18)
    # A third of the ground truth is missing, and the rest is ranked as before.
    assert found["num_ground_truth"] * 3 == found["num_ground_truth_all_ground_truth"] * 2
    assert found["mAP_all_ground_truth"] == pytest.approx(found["mAP"] * 2 / 3)
