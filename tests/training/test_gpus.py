"""Jobs side by side get different GPUs."""

import os
import subprocess
import sys
import uuid

import pytest

from pipeline.training.gpus import VISIBLE, leased_gpus, visible_gpus

HOLD = (
    "import sys\n"
    "from pipeline.training.gpus import leased_gpus\n"
    "with leased_gpus(int(sys.argv[1])):\n"
    "    print(__import__('os').environ['CUDA_VISIBLE_DEVICES'], flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three names that no other test run leases."""
    made = [f"GPU-{uuid.uuid4()}" for _ in range(3)]
    monkeypatch.setenv(VISIBLE, ",".join(made))
    return made


def holder(count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_job_is_shown_its_share_only_and_gives_it_back(names: list[str]) -> None:
    with leased_gpus(2):
        inside = visible_gpus()

    assert inside == names[:2]
    assert visible_gpus() == names


def test_two_jobs_get_different_gpus(names: list[str]) -> None:
    other = holder(2)
    assert other.stdout is not None
    theirs = other.stdout.readline().strip().split(",")

    with leased_gpus(1):
        ours = visible_gpus()

    other.communicate("")
    assert sorted(theirs + ours) == sorted(names)


def test_a_killed_job_gives_its_gpus_back(names: list[str]) -> None:
    other = holder(3)
    assert other.stdout is not None
    other.stdout.readline()
    other.kill()
    other.wait()

    with leased_gpus(3):
        assert visible_gpus() == names


def test_more_than_there_are_is_an_error(names: list[str]) -> None:
    with pytest.raises(ValueError, match="found 3 GPUs, expected 4"), leased_gpus(4):
        pass


def test_without_gpus_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "")

    with leased_gpus(8):
        assert os.environ[VISIBLE] == ""
