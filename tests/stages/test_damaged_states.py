"""A half-trained state that is not what was written is thrown away: same bits, one warning."""

import logging
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.stages import train
from pipeline.training.state import SavedState
from tests.stages.test_train import arguments, outputs, plain, toy

__all__ = ["plain", "toy"]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def compressed(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {each.filename: archive.read(each) for each in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def of_another_shape(path: Path) -> None:
    torch.save(["belongs_to", 1, {"model": []}], path)


def of_epoch_99(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    state["position"]["epoch"] = 99
    torch.save(state, path)


@pytest.fixture(scope="module")
def half(toy: Path) -> bytes:
    """The state of a training that was stopped after its third step of six."""
    out, steps = toy / "stopped", list[int]()
    after_step = SavedState.after_step

    def stopping(self: SavedState, *args: object) -> None:
        steps.append(1)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGTERM)
        after_step(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SavedState, "after_step", stopping)
        with pytest.raises(SystemExit):
            train.main(arguments(toy, out))
    return (out / "state.pt").read_bytes()


@pytest.mark.parametrize(
    "damage", [truncated, zeroed, empty, flipped, compressed, of_another_shape, of_epoch_99]
)
def test_a_damaged_state_costs_one_warning_and_no_bit(
    toy: Path,
    plain: Path,
    half: bytes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
) -> None:
    state = tmp_path / "state.pt"
    state.write_bytes(half)
    damage(state)

    train.main(arguments(toy, tmp_path))

    assert outputs(tmp_path) == outputs(plain)
    warnings = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert warnings == [f"{state}: found no checksum that fits; starting from the beginning"]
    assert not state.exists()


def test_a_whole_state_is_used(
    toy: Path, plain: Path, half: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "state.pt").write_bytes(half)

    train.main(arguments(toy, tmp_path))

    assert "going on at epoch 1, step 4" in caplog.text
    assert outputs(tmp_path) == outputs(plain)
