"""Training of a variant: the same bits each time, also when it was interrupted."""

import signal
from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline.core.command import REQUEUE
from pipeline.models import checkpoints
from pipeline.models.networks import ActionDetector
from pipeline.stages import pretrain, train
from pipeline.training import variant_training
from pipeline.training.state import SavedState
from tests.small_dataset import read_settings, write_settings
from tests.toy_dataset import write_toy_dataset


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    write_toy_dataset(folder)
    pretrain.main(
        [
            *("--params", str(folder / "params.yaml"), "--name", "k700"),
            *("--clips", str(folder / "clips.csv"), "--frames", str(folder / "frames")),
            *("--model", str(folder / "k700.pt")),
        ]
    )
    return folder


def arguments(
    toy: Path, out: Path, variant: str = "plain", params: Path | None = None
) -> list[str]:
    return [
        *("--params", str(params or toy / "params.yaml"), "--variant", variant),
        *("--raw", str(toy / "raw"), "--index", str(toy / "index")),
        *("--frames", str(toy / "frames"), "--pretrained", str(toy / "k700.pt")),
        *("--model", str(out / "model.pt"), "--best", str(out / "best.pt")),
        *("--history", str(out / "history.csv"), "--state", str(out / "state.pt")),
    ]


def outputs(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in ("model.pt", "best.pt", "history.csv")]


def with_training(toy: Path, path: Path, **changes: object) -> Path:
    """A copy of the toy's settings with other training settings."""
    values = read_settings(toy / "params.yaml")
    values["datasets"]["demo"]["settings"]["train"].update(changes)
    write_settings(path, values)
    return path


@pytest.fixture(scope="module")
def plain(toy: Path) -> Path:
    """The folder of an undisturbed training."""
    train.main(arguments(toy, toy / "undisturbed"))
    return toy / "undisturbed"


@pytest.mark.parametrize("variant", ["plain", "full"])
def test_two_trainings_give_equal_bytes(toy: Path, tmp_path: Path, variant: str) -> None:
    for name in ("one", "two"):
        train.main(arguments(toy, tmp_path / name, variant))

    assert outputs(tmp_path / "one") == outputs(tmp_path / "two")


def test_workers_change_no_bit(toy: Path, tmp_path: Path, plain: Path) -> None:
    params = with_training(toy, tmp_path / "params.yaml", workers=2, validate_every=2)

    train.main(arguments(toy, tmp_path / "two", params=params))

    one, two = (checkpoints.read_weights(n / "model.pt") for n in (plain, tmp_path / "two"))
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_an_interrupted_training_ends_in_the_same_bytes(
    toy: Path, tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    steps = []
    after_step = SavedState.after_step

    def stopping(self: SavedState, *args: object) -> None:
        steps.append(1)
        if len(steps) == stop_after:
            signal.raise_signal(signal.SIGTERM)
        after_step(self, *args)

    monkeypatch.setattr(SavedState, "after_step", stopping)
    with pytest.raises(SystemExit) as stopped:
        train.main(arguments(toy, tmp_path / "subsets"))
    assert stopped.value.code == REQUEUE
    assert not (tmp_path / "subsets/model.pt").exists()

    train.main(arguments(toy, tmp_path / "subsets"))

    assert len(steps) == 6
    assert outputs(tmp_path / "subsets") == outputs(plain)
    assert not (tmp_path / "subsets/state.pt").exists()


def test_a_state_of_other_settings_is_not_used(toy: Path, tmp_path: Path) -> None:
    changed = with_training(toy, tmp_path / "changed.yaml", learning_rate=0.01)
    train.main(arguments(toy, tmp_path / "whole", params=changed))
    saving = with_training(toy, tmp_path / "saving.yaml", save_every_minutes=1e-9, epochs=3)
    train.main(arguments(toy, tmp_path / "other", params=saving))
    (tmp_path / "subsets").mkdir()
    foreign = {"belongs_to": "another training"}
    torch.save(foreign, tmp_path / "subsets/state.pt")

    train.main(arguments(toy, tmp_path / "subsets", params=changed))

    assert outputs(tmp_path / "subsets") == outputs(tmp_path / "whole")


def test_history_has_a_row_per_epoch_and_split(plain: Path) -> None:
    history = pd.read_csv(plain / "history.csv")

    assert list(history["split"]) == ["train", "val_ava", "train", "val_ava"]
    assert list(history["epoch"]) == [1, 1, 2, 2]
    assert history["loss"].notna().tolist() == [True, False, True, False]
    assert history["mAP"].dropna().between(0, 1).all()
    # Three steps an epoch: the warm-up ends at the full rate, the cosine one step before zero.
    assert history["learning_rate"].dropna().tolist() == pytest.approx([0.1, 0.025])


def test_the_learning_rate_grows_with_the_batch(toy: Path, tmp_path: Path) -> None:
    params = with_training(toy, tmp_path / "params.yaml", batch_size=6, micro_batch_size=2)

    train.main(arguments(toy, tmp_path, params=params))

    # Meant for a batch of 2; the warm-up has one step and ends at three times the rate.
    rates = pd.read_csv(tmp_path / "history.csv")["learning_rate"].dropna()
    assert rates.tolist()[0] == pytest.approx(3 * 0.1)


def test_the_best_epoch_is_kept_beside_the_last(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.7, 0.7, 0.2])
    seen: list[torch.Tensor] = []

    def scored(model: ActionDetector, *args: object) -> dict[str, float]:
        seen.append(model.state_dict()["backbone.conv1.conv.weight"].clone())
        return {"val_ava": next(scores)}

    monkeypatch.setattr(variant_training, "validate", scored)
    params = with_training(toy, tmp_path / "params.yaml", epochs=4)

    train.main(arguments(toy, tmp_path, params=params))

    best, last = (checkpoints.read_weights(tmp_path / n) for n in ("best.pt", "model.pt"))
    # The second epoch is the first of the two best.
    assert torch.equal(best["backbone.conv1.conv.weight"], seen[1])
    assert torch.equal(last["backbone.conv1.conv.weight"], seen[3])


def test_without_validation_the_best_is_the_last(toy: Path, tmp_path: Path) -> None:
    params = with_training(toy, tmp_path / "params.yaml", validate_every=0)

    train.main(arguments(toy, tmp_path, params=params))

    assert (tmp_path / "best.pt").read_bytes() == (tmp_path / "model.pt").read_bytes()


def test_a_broken_loss_stops_and_names_its_keyframes(toy: Path, tmp_path: Path) -> None:
    params = with_training(toy, tmp_path / "params.yaml", learning_rate=1e9, clip_norm=1e9)

    with pytest.raises(
        ValueError, match=r"train plain: epoch \d, step \d: found loss .* clip_[ab],"
    ):
        train.main(arguments(toy, tmp_path, params=params))

    assert not (tmp_path / "model.pt").exists()


def test_an_unknown_backbone_is_named(toy: Path, tmp_path: Path) -> None:
    params = with_training(toy, tmp_path / "params.yaml", backbone="resnet")

    with pytest.raises(ValueError, match="found 'resnet', expected one of"):
        train.main(arguments(toy, tmp_path, params=params))
