"""Trainings that are killed or asked to stop, alone or in a team, go on to equal bits."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline.core.command import REQUEUE
from pipeline.models import checkpoints
from pipeline.stages import train
from tests.core.test_command import is_running
from tests.stages.test_kills import descendants
from tests.stages.test_train import arguments, outputs, toy, with_training

__all__ = ["toy"]

STEPS = 12
# Sends itself a signal after a step; both numbers are in the environment.
KILLED_AFTER = """
import os, signal, sys
from pipeline.core.command import run
from pipeline.stages import train
from pipeline.training.state import SavedState
done, real = [], SavedState.after_step
def after(self, *args):
    done.append(1)
    if len(done) == int(os.environ["STEP"]):
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))
    real(self, *args)
SavedState.after_step = after
run(lambda: train.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def params(toy: Path) -> Path:
    """Twelve steps, saved after each."""
    return with_training(toy, toy / "long.yaml", save_every_minutes=1e-9, epochs=4)


@pytest.fixture(scope="module")
def whole(toy: Path, params: Path) -> Path:
    train.main(arguments(toy, toy / "whole", params=params))
    return toy / "whole"


def command(toy: Path, out: Path, params: Path, processes: int) -> list[str]:
    flags = [*arguments(toy, out, params=params), "--processes", str(processes)]
    return [sys.executable, "-m", "pipeline.stages.train", *flags]


@pytest.mark.parametrize(
    ("number", "attempt"),
    # More stops by SIGTERM are in test_train.py, which need no process of their own.
    [(signal.SIGKILL, 0), (signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGTERM, 0)],
)
def test_stopped_at_a_random_step_it_ends_in_the_same_bytes(
    toy: Path, tmp_path: Path, params: Path, whole: Path, attempt: int, number: signal.Signals
) -> None:
    step = random.Random(f"{attempt} {number}").randrange(1, STEPS)
    environment = {**os.environ, "STEP": str(step), "SIGNAL": str(int(number))}
    flags = arguments(toy, tmp_path, params=params)
    stopped = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER, *flags], check=False, env=environment
    )
    assert stopped.returncode == (REQUEUE if number == signal.SIGTERM else -signal.SIGKILL)
    assert not (tmp_path / "model.pt").exists()

    train.main(flags)

    assert outputs(tmp_path) == outputs(whole)
    assert not (tmp_path / "state.pt").exists()


@pytest.fixture(scope="module")
def team_params(toy: Path) -> Path:
    """Six clips in micro-batches of one; a small learning rate, so that rounding stays rounding."""
    changes = {"batch_size": 6, "micro_batch_size": 1, "learning_rate": 1e-4, "dropout": 0.2}
    changes |= {"epochs": 16, "validate_every": 16, "save_every_minutes": 1e-9}
    return with_training(toy, toy / "team.yaml", **changes)


@pytest.fixture(scope="module")
def team(toy: Path, team_params: Path) -> Path:
    """What two processes train undisturbed."""
    subprocess.run(command(toy, toy / "team", team_params, 2), check=True)
    return toy / "team"


def test_two_processes_train_what_one_trains(
    toy: Path, tmp_path: Path, team_params: Path, team: Path
) -> None:
    train.main(arguments(toy, tmp_path, params=team_params))

    one, two = (checkpoints.read_weights(out / "model.pt") for out in (tmp_path, team))
    histories = [pd.read_csv(out / "history.csv") for out in (tmp_path, team)]
    off = {k: float(((one[k] - two[k]).abs() - 1e-5 * two[k].abs()).max()) for k in one}
    assert {k: v for k, v in off.items() if v > 1e-5} == {}
    pd.testing.assert_frame_equal(*histories, atol=1e-5, rtol=0)
    assert histories[0]["mAP"].notna().any()


def test_a_stopped_team_can_be_requeued(
    toy: Path, tmp_path: Path, team_params: Path, team: Path
) -> None:
    stopped = subprocess.Popen(command(toy, tmp_path, team_params, 2))
    while not (tmp_path / "state.pt").exists():
        time.sleep(0.05)
        assert stopped.poll() is None

    stopped.send_signal(signal.SIGTERM)

    assert stopped.wait(60) == REQUEUE
    assert not (tmp_path / "model.pt").exists()
    subprocess.run(command(toy, tmp_path, team_params, 2), check=True)
    assert outputs(tmp_path) == outputs(team)


def test_a_killed_launcher_takes_its_team_along(
    toy: Path, tmp_path: Path, team_params: Path, team: Path
) -> None:
    launcher = subprocess.Popen(command(toy, tmp_path, team_params, 2))
    while not (tmp_path / "state.pt").exists():
        time.sleep(0.05)
        assert launcher.poll() is None
    workers = descendants(launcher.pid)

    launcher.kill()
    launcher.wait()

    until = time.monotonic() + 10
    while any(map(is_running, workers)):
        assert time.monotonic() < until, "the team lives on"
        time.sleep(0.05)
    assert len(workers) >= 2
    subprocess.run(command(toy, tmp_path, team_params, 2), check=True)
    assert outputs(tmp_path) == outputs(team)


def test_more_processes_than_micro_batches_are_refused(toy: Path, tmp_path: Path) -> None:
    params = with_training(toy, tmp_path / "params.yaml", batch_size=2, micro_batch_size=2)

    refused = subprocess.run(
        command(toy, tmp_path, params, 2), check=False, capture_output=True, text=True
    )

    assert refused.returncode == 2
    assert "found 2 processes, expected at most 1" in refused.stderr


def test_a_signal_between_epochs_stops_at_once(
    toy: Path, tmp_path: Path, params: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated: list[int] = []

    def interrupted(*args: object) -> dict[str, float]:
        validated.append(1)
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("went on after the signal")

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.training.variant_training.validate", interrupted)
        with pytest.raises(SystemExit) as stopped:
            train.main(arguments(toy, tmp_path, params=params))
    assert stopped.value.code == REQUEUE

    train.main(arguments(toy, tmp_path, params=params))

    assert validated == [1]
    assert outputs(tmp_path) == outputs(whole)
