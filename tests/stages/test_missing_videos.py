"""Videos that are not available, from the evaluation to the report: both mAPs, side by side."""

import json
import os
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from mlflow import MlflowClient

from pipeline.models import checkpoints
from pipeline.settings.params import load_params
from pipeline.stages import evaluate, report
from pipeline.training.variants import detector_of
from tests.toy_dataset import write_toy_dataset

VARIANTS = ("plain", "full")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evaluated and reported without clip_c, one of the two videos of val_ava."""
    folder = tmp_path_factory.mktemp("toy")
    write_toy_dataset(folder, kinetics=True)
    path = folder / "index/val_ava.parquet"
    table = pq.read_table(path)
    pq.write_table(table.filter([name != "clip_c" for name in table["clip"].to_pylist()]), path)
    columns = ["subset", "split", "video_id", "clip", "keyframes", "boxes", "status", "reason"]
    rows = [("ava_val", "val_ava", name, name, 3, 6, "ok", "") for name in ("clip_b", "clip_c")]
    rows[1] = (*rows[1][:6], "missing", "HTTP 404")
    pd.DataFrame(rows, columns=columns).to_csv(folder / "coverage.csv", index=False)
    for variant in VARIANTS:
        evaluate_untrained(folder, variant)
    flags = {name: str(folder / name) for name in ("results", "raw", "index", "frames")}
    flags |= {"params": str(folder / "params.yaml"), "coverage": str(folder / "coverage.csv")}
    flags |= {"out": str(folder / "report"), "metrics": str(folder / "metrics.json")}
    report.main([text for name, value in flags.items() for text in (f"--{name}", value)])
    return folder


def evaluate_untrained(folder: Path, variant: str) -> None:
    torch.manual_seed(3)
    out = folder / "results/variants" / variant
    model = detector_of(load_params(folder / "params.yaml").train(variant))
    checkpoints.write_weights(out / "model.pt", model.state_dict(), {})
    history = pd.DataFrame({"epoch": [1], "split": ["train"], "loss": [0.5]})
    history.assign(learning_rate=0.1, mAP=None).to_csv(out / "history.csv", index=False)
    evaluate.main(
        [
            *("--params", str(folder / "params.yaml"), "--variant", variant),
            *("--model", str(out / "model.pt"), "--raw", str(folder / "raw")),
            *("--index", str(folder / "index"), "--frames", str(folder / "frames")),
            *("--out", str(out)),
        ]
    )


def measured(toy: Path, variant: str) -> dict[str, float]:
    metrics = json.loads((toy / "results/variants" / variant / "metrics.json").read_text())
    found: dict[str, float] = metrics["coverage"]["val_ava"]
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_metrics_hold_both_and_what_they_count(toy: Path, variant: str) -> None:
    found = measured(toy, variant)

    assert (found["num_keyframes"], found["num_keyframes_all_ground_truth"]) == (3, 6)
    assert (found["num_ground_truth"], found["num_ground_truth_all_ground_truth"]) == (6, 12)
    assert found["mAP"] > 0
    # Every action loses half of its ground truth, and no detection.
    assert found["mAP_all_ground_truth"] == pytest.approx(found["mAP"] / 2)


def test_whole_splits_are_not_touched_and_all_together_are(toy: Path) -> None:
    metrics = json.loads((toy / "results/variants/plain/metrics.json").read_text())

    counts = {
        split: (found["num_keyframes"], found["num_keyframes_all_ground_truth"])
        for split, found in metrics["coverage"].items()
    }
    assert counts == {"val_ava": (3, 6), "val_kinetics": (6, 6), "val_all": (9, 12)}
    kinetics = metrics["coverage"]["val_kinetics"]
    assert kinetics["mAP"] == kinetics["mAP_all_ground_truth"]


def test_table_and_page_show_both(toy: Path) -> None:
    table = (toy / "report/table.md").read_text()
    page = (toy / "report/index.html").read_text()

    assert "AVA val mAP against all ground truth" in table
    assert "3 of 6 keyframes are available" in table
    assert "3 of 6 keyframes of AVA val are available" in page
    for split in ("Kinetics val", "all val"):
        assert f"<summary>The same for {split}</summary>" in page
    assert "Kinetics val: mAP on all" not in table
    for variant in VARIANTS:
        found = measured(toy, variant)
        both = [f"{100 * found[name]:.2f}" for name in ("mAP", "mAP_all_ground_truth")]
        assert f"| {variant} | {both[0]} | {both[1]} |" in table
        assert f'<th scope="row">{variant}</th><td>{both[0]}</td><td>{both[1]}</td>' in page


def test_overall_metrics_and_mlflow_hold_both(toy: Path) -> None:
    overall = json.loads((toy / "metrics.json").read_text())
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("demo")
    runs = client.search_runs([experiment.experiment_id], "tags.stage = 'report'")
    tracked = runs[0].data.metrics

    for variant in VARIANTS:
        found = measured(toy, variant)
        for name in ("mAP", "mAP_all_ground_truth"):
            assert overall[variant]["val_ava"][name] == found[name]
            assert tracked[f"val_ava/{name}/{variant}"] == found[name]
    files = {file.path for file in client.list_artifacts(runs[0].info.run_id)}
    assert files == {"ablation.json", "report"}
