"""Evaluation of a trained variant: the files it writes and what they say."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient

from pipeline.annotations.ava_csv import read_detections
from pipeline.models import checkpoints
from pipeline.settings.params import load_params
from pipeline.stages import evaluate
from pipeline.training.state import digest
from pipeline.training.variants import detector_of
from tests.toy_dataset import write_toy_dataset


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained model of variant `full` and its results in `out`."""
    folder = tmp_path_factory.mktemp("toy")
    write_toy_dataset(folder)
    torch.manual_seed(1)
    model = detector_of(load_params(folder / "params.yaml").train("full"))
    checkpoints.write_weights(folder / "model.pt", model.state_dict(), {})
    run(folder, folder / "out")
    return folder


def run(folder: Path, out: Path) -> None:
    evaluate.main(
        [
            *("--params", str(folder / "params.yaml"), "--variant", "full"),
            *("--model", str(folder / "model.pt"), "--raw", str(folder / "raw")),
            *("--index", str(folder / "index"), "--frames", str(folder / "frames")),
            *("--out", str(out)),
        ]
    )


def test_every_keyframe_and_proposal_is_scored(evaluated: Path) -> None:
    found = pd.read_parquet(evaluated / "out/detections.parquet")

    # Six keyframes, two proposals each, 80 actions; an untrained head scores all about a half.
    assert len(found) == 6 * 2 * 80
    assert found["action_id"].min() == 1
    assert set(found["x1"].round(3)) == {0.1, 0.5}


def test_csv_and_parquet_say_the_same(evaluated: Path) -> None:
    table = pd.read_parquet(evaluated / "out/detections.parquet").drop(columns="split")

    csv = read_detections(evaluated / "out/detections/val_ava.csv")

    assert csv[list(table.columns)].equals(table.astype(csv[list(table.columns)].dtypes.to_dict()))


def test_metrics_carry_the_main_number_and_every_class(evaluated: Path) -> None:
    metrics = json.loads((evaluated / "out/metrics.json").read_text())
    per_class = pd.read_csv(evaluated / "out/per_class_ap.csv")

    official = per_class[
        (per_class["protocol"] == "official") & (per_class["num_ground_truth"] > 0)
    ]
    assert set(official["action_id"]) == {12, 14}
    assert metrics["mAP"] == pytest.approx(official["AP"].mean())


def test_errors_take_the_uncapped_map_apart(evaluated: Path) -> None:
    errors = json.loads((evaluated / "out/errors.json").read_text())["val_ava"]
    metrics = json.loads((evaluated / "out/metrics.json").read_text())

    assert errors["mAP"] == metrics["protocols"]["val_ava"]["uncapped"]["mAP"]
    # Two people in each of six keyframes; the proposals are their true boxes.
    found = errors["perfect_boxes"]
    assert found["mAP"] == errors["mAP"]
    assert (found["people"], found["people_hit"], found["boxes_unmatched"]) == (12, 12, 0)
    crowd = {each["group"]: each for each in errors["groups"] if each["by"] == "people"}
    assert crowd["2 people"]["mAP"] == errors["mAP"]
    assert crowd["2 people"]["num_ground_truth"] == 12


def test_scores_and_errors_are_in_mlflow(evaluated: Path) -> None:
    metrics = json.loads((evaluated / "out/metrics.json").read_text())
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("demo")
    fingerprint = digest({}, [evaluated / "model.pt"])
    (found,) = client.search_runs([experiment.experiment_id], f"tags.fingerprint = '{fingerprint}'")

    assert found.data.metrics["mAP"] == metrics["mAP"]
    protocols = metrics["protocols"]["val_ava"]
    for protocol in ("official", "uncapped", "official_all_ground_truth"):
        assert found.data.metrics[f"val_ava/{protocol}"] == protocols[protocol]["mAP"]
    # The proposals are the true boxes.
    assert found.data.metrics["val_ava/perfect_boxes"] == protocols["uncapped"]["mAP"]
    files = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert {"errors.json", "error_groups.json", "per_class_ap.json", "figures"} <= files


def test_evaluating_twice_gives_equal_bytes(evaluated: Path, tmp_path: Path) -> None:
    run(evaluated, tmp_path)

    for name in ("detections.parquet", "metrics.json", "per_class_ap.csv", "errors.json"):
        assert (tmp_path / name).read_bytes() == (evaluated / "out" / name).read_bytes()


def test_weights_of_another_variant_are_refused(evaluated: Path, tmp_path: Path) -> None:
    plain = detector_of(load_params(evaluated / "params.yaml").train("plain"))
    checkpoints.write_weights(tmp_path / "model.pt", plain.state_dict(), {})
    (tmp_path / "params.yaml").write_text((evaluated / "params.yaml").read_text())
    for name in ("raw", "index", "frames"):
        (tmp_path / name).symlink_to(evaluated / name)

    with pytest.raises(ValueError, match=r"missing roi_head\.bbox_head\.fc_cls\.0\.weight"):
        run(tmp_path, tmp_path / "out")


def test_several_validation_splits_are_also_scored_together(tmp_path: Path) -> None:
    write_toy_dataset(tmp_path, kinetics=True)
    model = detector_of(load_params(tmp_path / "params.yaml").train("full"))
    checkpoints.write_weights(tmp_path / "model.pt", model.state_dict(), {})

    run(tmp_path, tmp_path / "out")

    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["split"] == "val_ava"
    counts = {
        split: (found["official"]["counts"]["keyframes"], found["official"]["num_videos"])
        for split, found in metrics["protocols"].items()
    }
    # Both splits have clip_b, and it counts twice.
    assert counts == {"val_ava": (6, 2), "val_kinetics": (6, 2), "val_all": (12, 4)}
    found = pd.read_parquet(tmp_path / "out/detections.parquet")
    assert set(found["split"]) == {"val_ava", "val_kinetics"}
    per_class = pd.read_csv(tmp_path / "out/per_class_ap.csv")
    assert set(per_class["split"]) == {"val_ava", "val_kinetics", "val_all"}
