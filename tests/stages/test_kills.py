"""SIGKILL at a hundred random moments: what comes of it in the end is what comes undisturbed."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.small_dataset import SmallDataset, contents
from tests.stage_runner import MODULES, StageRunner

KILLS = 20  # of each of five

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/task").exists(),
        reason="forks only where it can be seen that none is unsafe",
    ),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallDataset:
    return SmallDataset(tmp_path_factory.mktemp("kills"))


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageRunner]:
    runner = StageRunner(tmp_path_factory.mktemp("log") / "log.txt")
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def whole(world: SmallDataset, runner: StageRunner) -> Path:
    """The folder of what every stage makes undisturbed."""
    folder = world.folder / "whole"
    world.build(folder, runner)
    return folder


@pytest.mark.parametrize("stage", [*MODULES, "download_2"])
def test_a_killed_stage_ends_with_the_bytes_of_an_undisturbed_one(
    world: SmallDataset, whole: Path, runner: StageRunner, tmp_path: Path, stage: str
) -> None:
    draw = random.Random(f"5 {stage}")
    out = tmp_path / "out"
    command = world.command(stage, whole, out)
    undisturbed, lasted = {}, 0.0
    for _ in range(2):  # what the system has not read yet takes longer
        shutil.rmtree(out, ignore_errors=True)
        started = time.monotonic()
        runner.start(command)
        assert runner.wait() == 0
        undisturbed, lasted = contents(out), time.monotonic() - started
    shutil.rmtree(out)
    kills, ends = 0, 0

    while kills < KILLS or out.exists():
        process = runner.start(command)
        if kills < KILLS:
            time.sleep(draw.random() * lasted)
            with suppress(ProcessLookupError):  # done already
                os.killpg(process, signal.SIGKILL)
        code = runner.wait()
        assert code in (0, -signal.SIGKILL)
        if code:
            kills += 1
            if draw.random() < 0.5:
                delete_visible(out)  # as Snakemake does with what a killed job was to make
            continue
        assert contents(out) == undisturbed
        shutil.rmtree(out)
        ends += 1

    assert (kills, ends > 0) == (KILLS, True)


def delete_visible(out: Path) -> None:
    for path in [path for path in out.glob("*/*") if not path.name.startswith(".")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
