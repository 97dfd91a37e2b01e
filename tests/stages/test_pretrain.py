"""Weights to start from: trained on clip labels, or a checked checkpoint."""

from pathlib import Path

import pytest
import torch

from pipeline.models import checkpoints
from pipeline.models.networks import ClipRecognizer
from pipeline.models.slow_only import slowonly_tiny
from pipeline.stages import pretrain
from tests.small_dataset import read_settings, write_settings
from tests.toy_dataset import write_toy_dataset


def arguments(folder: Path, model: Path) -> list[str]:
    return [
        *("--params", str(folder / "params.yaml"), "--name", "k700"),
        *("--clips", str(folder / "clips.csv"), "--frames", str(folder / "frames")),
        *("--model", str(model)),
    ]


def use_checkpoint(folder: Path, checkpoint: Path) -> None:
    values = read_settings(folder / "params.yaml")
    values["datasets"]["demo"]["pretrained"]["k700"] = {"checkpoint": str(checkpoint)}
    write_settings(folder / "params.yaml", values)


def test_pretraining_gives_equal_bytes_and_knows_its_labels(tmp_path: Path) -> None:
    write_toy_dataset(tmp_path)

    for name in ("one.pt", "two.pt"):
        pretrain.main(arguments(tmp_path, tmp_path / name))

    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    content = torch.load(tmp_path / "one.pt", weights_only=True)
    assert content["meta"]["labels"] == ["jogging", "squat"]
    assert content["state_dict"]["cls_head.fc_cls.weight"].shape[0] == 2


def test_a_local_checkpoint_is_checked_and_kept(tmp_path: Path) -> None:
    write_toy_dataset(tmp_path)
    weights = ClipRecognizer(slowonly_tiny(), num_classes=3).state_dict()
    checkpoints.write_weights(tmp_path / "published.pth", weights, {})
    use_checkpoint(tmp_path, tmp_path / "published.pth")

    pretrain.main(arguments(tmp_path, tmp_path / "k700.pt"))

    kept = checkpoints.read_weights(tmp_path / "k700.pt")
    assert all(torch.equal(kept[key], value) for key, value in weights.items())


def test_a_checkpoint_of_another_backbone_is_refused(tmp_path: Path) -> None:
    write_toy_dataset(tmp_path)
    checkpoints.write_weights(tmp_path / "other.pth", {"backbone.conv1.bn.bias": torch.ones(3)}, {})
    use_checkpoint(tmp_path, tmp_path / "other.pth")

    with pytest.raises(ValueError, match=r"other.pth: found missing conv1\.conv\.weight"):
        pretrain.main(arguments(tmp_path, tmp_path / "k700.pt"))

    assert not (tmp_path / "k700.pt").exists()


def test_fresh_weights_are_those_of_the_seed(tmp_path: Path) -> None:
    write_toy_dataset(tmp_path)
    settings = read_settings(tmp_path / "params.yaml")
    settings["datasets"]["demo"]["pretrained"]["k700"] = {"fresh": True}
    write_settings(tmp_path / "params.yaml", settings)

    for name in ("one.pt", "two.pt"):
        pretrain.main(arguments(tmp_path, tmp_path / name))

    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    weights = checkpoints.read_weights(tmp_path / "one.pt")
    assert {key.partition(".")[0] for key in weights} == {"backbone"}
    checkpoints.load_backbone(slowonly_tiny(), weights, "one.pt")
    assert weights["backbone.conv1.conv.weight"].std() > 0
