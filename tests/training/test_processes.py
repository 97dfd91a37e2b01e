"""A training is the same however many processes and micro-batches share its batches."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from pipeline.training.processes import Processes
from tests.training.team_member import NUM_EXAMPLES

STEPS_AN_EPOCH, EPOCHS = 2, 10  # a batch of 6 and one of 5
Members = list[dict[str, Any]]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Members]:
    """Trains a team and tells what each member wrote; torchrun talks over loopback."""

    @cache
    def trained(num_processes: int, micro_batch_size: int = 2, norm: str = "still") -> Members:
        out = tmp_path_factory.mktemp("team")
        command = [sys.executable, "-m"]
        if num_processes > 1:
            command += ["torch.distributed.run", "--standalone"]
            command += [f"--nproc-per-node={num_processes}", "-m"]
        command += ["tests.training.team_member", str(out), "6", str(micro_batch_size)]
        command += [str(EPOCHS), norm]
        subprocess.run(command, check=True)
        return [json.loads((out / f"{rank}.json").read_text()) for rank in range(num_processes)]

    return trained


@pytest.mark.parametrize("num_processes", [2, 3])
def test_processes_change_no_loss(team: Callable[..., Members], num_processes: int) -> None:
    alone = team(1)[0]

    assert len(alone["losses"]) == STEPS_AN_EPOCH * EPOCHS
    assert alone["losses"][-1] < alone["losses"][0]
    for member in team(num_processes):
        assert member["losses"] == pytest.approx(alone["losses"], abs=1e-6)
        assert member["weights"] == team(num_processes)[0]["weights"]


def test_batch_norm_and_dropout_do_not_depend_on_processes(team: Callable[..., Members]) -> None:
    alone, members = team(1, norm="trained")[0], team(3, norm="trained")

    # Rounding grows: every sum of a batch norm feeds the next.
    assert members[0]["losses"] == pytest.approx(alone["losses"], abs=1e-4)
    assert alone["losses"] != pytest.approx(team(1)[0]["losses"], abs=1e-2)
    assert {member["weights"] for member in members} == {members[0]["weights"]}


@pytest.mark.parametrize("micro_batch_size", [1, 6])
def test_micro_batches_change_no_loss(team: Callable[..., Members], micro_batch_size: int) -> None:
    other = team(1, micro_batch_size)[0]

    assert other["losses"] == pytest.approx(team(1)[0]["losses"], abs=1e-6)


def test_every_example_is_seen_once_an_epoch(team: Callable[..., Members]) -> None:
    members = team(3)

    for epoch in range(EPOCHS):
        seen = Counter(place for member in members for place in member["seen"].get(str(epoch), []))
        assert seen == Counter(range(NUM_EXAMPLES))


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_are_all_items_once(size: int) -> None:
    shares = [Processes(rank, size).share(range(8)) for rank in range(size)]

    assert sorted(number for share in shares for number in share) == list(range(8))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
