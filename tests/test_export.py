"""A trained model in the form of published ones."""

import hashlib
from pathlib import Path

import pytest
import torch

from pipeline import export
from pipeline.models.checkpoints import load_start, read_weights, write_weights
from pipeline.models.heads import MLPHead
from pipeline.models.networks import ActionDetector, ClipRecognizer, build_detector
from pipeline.models.slow_only import SlowOnly


def tiny() -> SlowOnly:
    return SlowOnly((1, 1, 1, 1), 2)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    meta = {"variant": "focal", "tracked_run": "where it was trained"}
    write_weights(tmp_path / "model.pt", build_detector(tiny).state_dict(), meta)
    return tmp_path / "model.pt"


def test_the_name_ends_in_the_hash_of_the_content(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export.main(["--model", str(model), "--out", str(tmp_path / "slowonly.pth")])

    made = Path(capsys.readouterr().out.strip())
    digits = hashlib.sha256(made.read_bytes()).hexdigest()[:8]
    assert made == tmp_path / f"slowonly-{digits}.pth"


def test_export_import_export_gives_equal_bytes(model: Path, tmp_path: Path) -> None:
    first = export.export(model, tmp_path / "a.pth")

    second = export.export(first, tmp_path / "b.pth")

    assert first.read_bytes() == second.read_bytes()
    weights = read_weights(model)
    assert all(torch.equal(weights[key], value) for key, value in read_weights(second).items())


def test_weights_keep_the_published_names(model: Path, tmp_path: Path) -> None:
    content = torch.load(export.export(model, tmp_path / "a.pth"), weights_only=True)

    assert "backbone.layer4.0.conv1.conv.weight" in content["state_dict"]
    assert "roi_head.bbox_head.fc_cls.weight" in content["state_dict"]
    assert content["meta"] == {"variant": "focal"}


def same(one: ActionDetector, two: ActionDetector, part: str) -> bool:
    others = two.state_dict()
    named = {key: value for key, value in one.state_dict().items() if key.startswith(part)}
    return all(torch.equal(value, others[key]) for key, value in named.items())


def test_a_detector_starts_whole_from_a_detector_and_else_its_backbone() -> None:
    source, started, other = (build_detector(tiny) for _ in range(3))
    classifier = ClipRecognizer(source.backbone, 5)

    load_start(started, source.state_dict(), "file")
    load_start(other, classifier.state_dict(), "file")

    assert same(started, source, "")
    assert same(other, source, "backbone.")
    assert not same(other, source, "roi_head.")


def test_a_detector_with_another_head_is_refused() -> None:
    mlp = build_detector(tiny, head=MLPHead())

    with pytest.raises(ValueError, match=r"missing roi_head\.bbox_head\.fc_cls\.0\.weight"):
        load_start(mlp, build_detector(tiny).state_dict(), "file")
