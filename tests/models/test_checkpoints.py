"""Reading and writing weights: names, shapes, and nothing executed."""

import hashlib
import logging
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from pipeline.models.checkpoints import (
    load_backbone,
    load_weights,
    read_meta,
    read_weights,
    write_weights,
)
from pipeline.models.networks import ClipRecognizer
from pipeline.models.slow_only import SlowOnly
from tests.reference_rule import numbers


def tiny() -> SlowOnly:
    return SlowOnly((1, 1, 1, 1), width=2)


def test_a_round_trip_keeps_every_bit_and_every_byte(tmp_path: Path) -> None:
    weights = ClipRecognizer(tiny(), 5).state_dict()
    write_weights(tmp_path / "a.pt", weights, {"labels": ["x"]})

    back = read_weights(tmp_path / "a.pt")
    write_weights(tmp_path / "other_name.pt", back, {"labels": ["x"]})

    assert all(torch.equal(back[key], value) for key, value in weights.items())
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "other_name.pt").read_bytes()


@pytest.mark.parametrize("name", ["k400_4x16", "k400_8x8", "k700_8x8"])
def test_classifiers_carry_the_published_names_and_shapes(name: str) -> None:
    architecture = numbers("architecture.json")
    head = architecture["heads"][f"recognizer_{name}"]
    with torch.device("meta"):
        model = ClipRecognizer(SlowOnly((3, 4, 6, 3), 64), 700 if "700" in name else 400)

    found = {key: list(value.shape) for key, value in model.state_dict().items()}

    assert found == architecture["backbone"] | head


def test_a_detector_takes_the_backbone_of_a_classifier() -> None:
    source, target = ClipRecognizer(tiny(), 5), tiny()

    load_backbone(target, source.state_dict(), "file")

    expected = source.backbone.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in target.state_dict().items())


def test_wrong_names_and_shapes_are_all_listed() -> None:
    weights = tiny().state_dict()
    del weights["conv1.bn.bias"]
    weights["conv9.weight"] = torch.zeros(1)
    weights["conv1.bn.weight"] = torch.zeros(3)

    with pytest.raises(ValueError, match="file: found") as refused:
        load_weights(tiny(), weights, "file")

    message = str(refused.value)
    assert "missing conv1.bn.bias" in message
    assert "unexpected conv9.weight" in message
    assert "conv1.bn.weight of shape [3] instead of [2]" in message


def test_a_file_whose_name_and_hash_disagree_is_refused(tmp_path: Path) -> None:
    write_weights(tmp_path / "net-00000000.pth", tiny().state_dict(), {})
    content = (tmp_path / "net-00000000.pth").read_bytes()
    digits = hashlib.sha256(content).hexdigest()[:8]
    (tmp_path / f"net-{digits}.pth").write_bytes(content)

    with pytest.raises(ValueError, match=f"found sha256 {digits}"):
        read_weights(tmp_path / "net-00000000.pth")
    assert read_weights(tmp_path / f"net-{digits}.pth")


def test_objects_that_would_run_code_are_refused_by_name(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return (print, ("run",))

    torch.save({"state_dict": {}, "meta": Harmful()}, tmp_path / "bad.pth")

    with pytest.raises(ValueError, match=r"bad.pth: found an object of .*print"):
        read_weights(tmp_path / "bad.pth")


def test_known_objects_of_published_files_are_read_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = "mmengine.logging.history_buffer"
    module = ModuleType(name)
    buffer = type("HistoryBuffer", (), {"__module__": name, "mean": lambda self: 0.0})
    module.HistoryBuffer = buffer
    for parent in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    monkeypatch.setitem(sys.modules, name, module)
    history = buffer()
    history.values = np.arange(3.0)
    history.methods = {"mean": history.mean}  # pickled as a call of getattr
    content = {"state_dict": tiny().state_dict(), "message_hub": {"log": history}}
    torch.save(content, tmp_path / "published.pth")

    with caplog.at_level(logging.INFO):
        found = read_weights(tmp_path / "published.pth")

    assert len(found) == len(tiny().state_dict())
    assert f"{name}.HistoryBuffer" in caplog.text


def test_a_published_file_can_look_nothing_up(tmp_path: Path) -> None:
    class Reaching:
        def __reduce__(self) -> tuple[object, ...]:
            return (getattr, (Path, "unlink"))

    torch.save({"state_dict": tiny().state_dict(), "meta": {"x": Reaching()}}, tmp_path / "x.pth")

    with pytest.raises(ValueError, match=r"x\.pth: found an object of .*Path"):
        read_weights(tmp_path / "x.pth")


def test_what_stands_for_getattr_gives_nothing(tmp_path: Path) -> None:
    class Reaching:
        def __reduce__(self) -> tuple[object, ...]:
            return (getattr, (torch.Size([1]), "__class__"))

    torch.save({"state_dict": tiny().state_dict(), "meta": {"x": Reaching()}}, tmp_path / "x.pth")

    assert read_meta(tmp_path / "x.pth") == {"x": None}


@pytest.mark.parametrize("content", [b"", b"no zip", pickle.dumps([1, 2], protocol=2)])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pth").write_bytes(content)

    with pytest.raises(ValueError, match=r"x\.pth: "):
        read_weights(tmp_path / "x.pth")


def test_damaged_checkpoints_are_one_line_that_names_the_file(tmp_path: Path) -> None:
    write_weights(tmp_path / "whole.pt", {"a": torch.arange(4.0)}, {"labels": ["x"]})
    whole = (tmp_path / "whole.pt").read_bytes()
    path = tmp_path / "damaged.pt"
    draw = np.random.default_rng(0)
    refusals = []
    for turn in range(400):
        content = bytearray(whole)
        for place in draw.integers(0, len(content), 3):
            content[place] = int(draw.integers(0, 256))
        if turn % 4 == 0:
            content = content[: int(draw.integers(1, len(content)))]
        path.write_bytes(content)
        try:
            read_weights(path)
            read_meta(path)
        except ValueError as error:
            refusals.append(str(error))

    assert len(refusals) > 100
    assert all(each.startswith(f"{path}: ") and "\n" not in each for each in refusals)


def test_other_contents_are_refused_with_the_path(tmp_path: Path) -> None:
    torch.save({"state_dict": {5: torch.zeros(1)}, "meta": 5}, tmp_path / "x.pth")

    with pytest.raises(ValueError, match=r"x\.pth: found no state_dict of tensors"):
        read_weights(tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"x\.pth: found meta of type int, expected a dict"):
        read_meta(tmp_path / "x.pth")


def test_a_missing_checkpoint_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path / "none.pt")
