"""Built again elsewhere, by DVC and after a kill, every byte is the same."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.dag.project import Project

pytestmark = pytest.mark.dag
OUTPUTS = (
    "data/demo/mirror/**/*",
    "data/demo/clips.csv",
    "data/demo/frames/*",
    "data/demo/index/*",
    "data/demo/coverage.csv",
    "data/demo/pretrained/*",
    "results/demo/variants/**/*",
    "results/demo/metrics.json",
)


def test_a_killed_build_ends_as_an_undisturbed_one_built_by_dvc(tmp_path: Path) -> None:
    killed, undisturbed = Project(tmp_path / "killed"), Project(tmp_path / "undisturbed")
    undisturbed.run("dvc", "repro")

    kill_snakemake_when_there_is(killed, "data/demo/frames/00.tar")
    kill_snakemake_when_there_is(killed, "results/demo/variants/*/model.pt")
    killed.snakemake()

    assert killed.hashes(*OUTPUTS) == undisturbed.hashes(*OUTPUTS)
    assert undisturbed.planned() == set()
    assert undisturbed.stale() == set()
    assert killed.stale() == set()


def kill_snakemake_when_there_is(project: Project, pattern: str) -> None:
    """Start a build and send SIGKILL to Snakemake alone as soon as the output is there."""
    process = project.start("snakemake", "--cores", "2")
    deadline = time.monotonic() + 300
    while not list(project.folder.glob(pattern)):
        assert process.poll() is None, "the build ended before the kill"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
