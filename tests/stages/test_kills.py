"""SIGKILL at a hundred random moments: what comes of it in the end is what comes undisturbed."""

import os
import random
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.core.test_command import is_running
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


# As Snakemake's jobs are started: see `shell.prefix` in workflow/rules/common.smk.
PREFIX = "export AVA_PARENT=$PPID AVA_STARTED_BY=$$; "
SHELL_KILLS = 5  # of each of three


@pytest.mark.parametrize("stage", ["download", "cut_clips", "extract_frames"])
def test_a_killed_shell_takes_its_stage_along_and_the_next_one_is_the_only_writer(
    world: SmallDataset, whole: Path, tmp_path: Path, stage: str
) -> None:
    draw = random.Random(f"7 {stage}")
    out = tmp_path / "out"
    script = f"{PREFIX}{shlex.join(world.command(stage, whole, out))}; true"
    undisturbed, lasted = {}, 0.0
    for _ in range(2):
        shutil.rmtree(out, ignore_errors=True)
        started = time.monotonic()
        subprocess.run(["bash", "-c", script], check=True, capture_output=True)
        undisturbed, lasted = contents(out), time.monotonic() - started
    shutil.rmtree(out)

    for _ in range(SHELL_KILLS):
        with subprocess.Popen(["bash", "-c", script], stderr=subprocess.DEVNULL) as shell:
            time.sleep(draw.random() * lasted)
            jobs = descendants(shell.pid)
            shell.kill()
        until = time.monotonic() + 2
        while any(map(is_running, jobs)):
            assert time.monotonic() < until, "the stage lives on"
            time.sleep(0.005)
        if draw.random() < 0.5 and out.exists():
            delete_visible(out)
    subprocess.run(["bash", "-c", script], check=True, capture_output=True)

    assert contents(out) == undisturbed


def descendants(process: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    with suppress(FileNotFoundError):
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
        children = [int(number) for number in text.split()]
        return children + [each for child in children for each in descendants(child)]
    return []


def delete_visible(out: Path) -> None:
    for path in [path for path in out.glob("*/*") if not path.name.startswith(".")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
