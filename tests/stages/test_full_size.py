"""The nine rows of `ava_kinetics` at full size, through the real stages, on a few tiny clips."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from pipeline.export import export
from pipeline.models.checkpoints import read_weights
from pipeline.models.networks import ClipRecognizer
from pipeline.models.slow_only import slowonly_r50
from pipeline.settings.params import load_params
from pipeline.stages import evaluate, pretrain, train
from tests.small_dataset import read_settings, write_settings
from tests.toy_dataset import ROOT, use_toy_data, write_toy_data

LINEAR, CONTEXT, MLP = 31_800_465, 31_966_353, 48_747_665
PARAMETERS = {
    "k400_4x16": LINEAR,
    "k700_4x16": LINEAR,
    "k400_8x8": LINEAR,
    "k700_8x8": LINEAR,
    "context": CONTEXT,
    "temporal_max": CONTEXT,
    "nonlinear_head": MLP,
    "focal": MLP,
    "more_frames": MLP,
}
# One step on clips of 64 pixels; the networks, losses and samplings stay those of the dataset.
SMALL = {
    "epochs": 1,
    "warmup_epochs": 0,
    "augmentations": [
        {"name": "scale", "short_side_px": [64, 72]},
        {"name": "random_crop", "side_px": 64},
        "flip",
    ],
    "test_short_side_px": 64,
    "validate_every": 0,
    "precision": "float32",
    "learning_rate": 0.001,
}
EXPORTED = "exported"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy's data, a classifier as it would be published, and settings that use both."""
    folder = tmp_path_factory.mktemp("full")
    write_toy_data(folder)
    torch.manual_seed(0)
    published = ClipRecognizer(slowonly_r50(2), 700, 0.5).state_dict()
    for name, value in published.items():
        if name.endswith("conv3.bn.weight"):  # a trained block is more than its shortcut
            value.fill_(0.3)
    file = folder / "slowonly.pth"
    torch.save({"meta": {"epoch": 150}, "state_dict": published}, file)
    digits = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    file = file.rename(folder / f"slowonly_kinetics700-rgb_20221013-{digits}.pth")
    write_params(folder / "params.yaml", {"checkpoint": str(file)})
    flags = ["--params", str(folder / "params.yaml"), "--name", "k700"]
    flags += ["--clips", str(folder / "clips.csv"), "--frames", str(folder / "frames")]
    pretrain.main([*flags, "--model", str(folder / "k700.pt")])
    return folder


def write_params(path: Path, source: dict[str, Any], **variants: dict[str, Any]) -> None:
    values = read_settings()
    values["dataset"] = "ava_kinetics"
    real = values["datasets"]["ava_kinetics"]
    use_toy_data(real)
    real["settings"]["train"] = SMALL
    real["settings"]["evaluate"] = {"bootstrap_resamples": 10}
    real["pretrained"] = dict.fromkeys(real["pretrained"], source)
    values["variants"] |= variants
    write_settings(path, values)


def run_train(place: Path, out: Path, params: Path, variant: str, pretrained: Path) -> None:
    train.main(
        [
            *("--params", str(params), "--variant", variant, "--raw", str(place / "raw")),
            *("--index", str(place / "index"), "--frames", str(place / "frames")),
            *("--pretrained", str(pretrained), "--model", str(out / "model.pt")),
            *("--best", str(out / "best.pt"), "--history", str(out / "history.csv")),
        ]
    )


def run_evaluate(place: Path, out: Path, variant: str) -> pd.DataFrame:
    evaluate.main(
        [
            *("--params", str(place / "params.yaml"), "--variant", variant),
            *("--model", str(out / "model.pt"), "--raw", str(place / "raw")),
            *("--index", str(place / "index"), "--frames", str(place / "frames")),
            *("--out", str(out)),
        ]
    )
    return pd.read_parquet(out / "detections.parquet")


def test_the_rows_are_those_of_params_yaml() -> None:
    params = load_params(ROOT / "params.yaml", "ava_kinetics")

    assert list(PARAMETERS) == params.variants
    for sampling in ("4x16", "8x8"):
        one, two = (params.train_values(f"{start}_{sampling}") for start in ("k400", "k700"))
        assert {**one, "pretrained": ""} == {**two, "pretrained": ""}


# The first rows of k400 and of k700 differ by the file they start from alone.
@pytest.mark.parametrize("variant", [name for name in PARAMETERS if not name.startswith("k400")])
def test_a_row_starts_from_published_weights_trains_and_is_evaluated(
    place: Path, tmp_path: Path, variant: str
) -> None:
    run_train(place, tmp_path, place / "params.yaml", variant, place / "k700.pt")
    found = run_evaluate(place, tmp_path, variant)

    weights = read_weights(tmp_path / "model.pt")
    counted = [v for name, v in weights.items() if "running_" not in name and "num_b" not in name]
    assert sum(value.numel() for value in counted) == PARAMETERS[variant]
    start = read_weights(place / "k700.pt")["backbone.layer4.2.conv3.conv.weight"]
    moved = weights["backbone.layer4.2.conv3.conv.weight"] - start
    assert 0 < moved.abs().max() < 1
    assert pd.read_csv(tmp_path / "history.csv")["loss"].between(0.05, 20).all()
    # Two splits of six keyframes, two people, 80 actions; every score is above the least one.
    assert len(found) == 2 * 6 * 2 * 80
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics["protocols"]) == {"val_ava", "val_kinetics", "val_all"}
    assert found["score"].between(0.002, 1).all()


def test_an_exported_detector_comes_back_whole(place: Path, tmp_path: Path) -> None:
    run_train(place, tmp_path, place / "params.yaml", "nonlinear_head", place / "k700.pt")
    before = run_evaluate(place, tmp_path, "nonlinear_head")
    file = export(tmp_path / "model.pt", tmp_path / "detector.pth")
    (tmp_path / "back").mkdir()

    own = {**load_params(place / "params.yaml").train_values("nonlinear_head"), "epochs": 0}
    write_params(tmp_path / "params.yaml", {"checkpoint": str(file)}, **{EXPORTED: own})
    flags = ["--params", str(tmp_path / "params.yaml"), "--name", "k700"]
    flags += ["--clips", str(place / "clips.csv"), "--frames", str(place / "frames")]
    pretrain.main([*flags, "--model", str(tmp_path / "start.pt")])
    run_train(place, tmp_path / "back", tmp_path / "params.yaml", EXPORTED, tmp_path / "start.pt")

    one, two = (read_weights(tmp_path / name) for name in ("model.pt", "back/model.pt"))
    assert all(torch.equal(one[name], two[name]) for name in one | two)
    again = export(tmp_path / "model.pt", tmp_path / "detector.pth")
    assert again == file
    after = run_evaluate(place, tmp_path / "back", "nonlinear_head")
    pd.testing.assert_frame_equal(before, after, check_exact=True)
