"""One small build by DVC: the same bytes as by a killed Snakemake, and what a change reruns.

The tests of this file follow one another on the same build, which takes most of their time.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline.stages.record import DATA_STAGES
from tests.dag.project import VARIANTS, Project

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


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    built = Project(tmp_path_factory.mktemp("dvc") / "a folder")
    built.run("dvc", "repro")
    return built


def test_the_table_has_every_row(project: Project) -> None:
    metrics = project.metrics()

    assert tuple(metrics) == VARIANTS
    assert all(0 < row["mAP"] < 1 for row in metrics.values())


def test_every_stage_that_ran_is_in_mlflow_once(project: Project) -> None:
    client = MlflowClient(f"sqlite:///{project.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("demo")

    runs = client.search_runs([experiment.experiment_id])

    names = [run.info.run_name for run in runs]
    assert sorted(names) == sorted(
        [*DATA_STAGES, *VARIANTS, "pretrain k400_4x16", "pretrain k700", "report"]
    )
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_killed_build_ends_as_an_undisturbed_one_built_by_dvc(
    project: Project, tmp_path: Path
) -> None:
    killed = Project(tmp_path / "a killed build")

    kill_snakemake_when_there_is(killed, "data/demo/frames/00.tar")
    kill_snakemake_when_there_is(killed, "results/demo/variants/*/model.pt")
    killed.snakemake()

    assert killed.hashes(*OUTPUTS) == project.hashes(*OUTPUTS)
    assert killed.planned() == set()
    assert killed.stale() == set()
    assert "Data and pipelines are up to date" in killed.run("dvc", "repro")
    assert killed.planned() == set()


def test_after_dvc_and_a_comment_in_the_settings_both_have_nothing_to_do(project: Project) -> None:
    path = project.folder / "params.yaml"
    path.write_text("# a remark\n" + path.read_text())

    assert project.planned() == set()
    assert project.stale() == set()


def test_a_change_of_downloads_code_ends_with_the_same_videos(project: Project) -> None:
    before = project.hashes("data/demo/videos/*/*", "data/demo/videos/*.csv")
    code = project.folder / "pipeline/stages/download.py"
    code.write_text(code.read_text() + "LATER = 1\n")

    output = project.run("dvc", "repro")

    ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
    assert ran == {"download"}
    assert project.hashes("data/demo/videos/*/*", "data/demo/videos/*.csv") == before
    assert project.planned() == set()
    assert project.stale() == set()


def test_a_key_of_one_variant_reruns_that_row_and_the_report(project: Project) -> None:
    before = project.hashes("results/demo/variants/*/*.pt")

    def change(params: dict[str, Any]) -> None:
        params["variants"]["more_frames"]["dropout"] = 0.4

    project.edit_params(change)

    assert project.planned() == {"train more_frames", "evaluate more_frames", "report", "record"}
    assert project.stale() == {"train@more_frames", "report"}
    output = project.run("dvc", "repro")
    ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
    assert ran == {"train@more_frames", "evaluate@more_frames", "report"}
    assert project.planned() == set()
    assert project.stale() == set()
    after = project.hashes("results/demo/variants/*/*.pt")
    row = "results/demo/variants/more_frames"
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"{row}/model.pt", f"{row}/best.pt"}


def test_a_new_variant_runs_its_own_jobs_only(project: Project) -> None:
    def add(params: dict[str, Any]) -> None:
        params["variants"]["mine"] = {"pretrained": "k700", "sampling": "2x16"}

    project.edit_params(add)

    assert project.planned() == {"train mine", "evaluate mine", "report", "record"}
    project.snakemake()
    assert tuple(project.metrics()) == (*VARIANTS, "mine")
    assert project.planned() == set()
    assert project.stale() == set()


def test_what_changes_no_number_is_accepted_without_a_job(project: Project) -> None:
    before = project.hashes(*OUTPUTS)
    project.edit("pipeline/models/losses.py", "class FocalLoss", "# a remark\nclass FocalLoss")
    project.edit("pipeline/training/loop.py", '"""Train a model in place', '"""Train it in place')
    project.edit(
        "pipeline/settings/sections.py",
        "    dropout: float",
        '    extra: bool = Field(False, description="Changes nothing")\n    dropout: float',
    )
    project.edit_params(lambda params: params["train"].update(extra=False))

    assert project.planned() == set()
    assert {"train@mine", "train@more_frames", "evaluate@mine"} <= project.stale()
    shown = project.run("python", "-m", "pipeline.accept")

    assert "dvc        train (3): modified pipeline/models" in shown
    assert project.planned() == set()
    assert project.stale() == set()
    assert project.hashes(*OUTPUTS) == before


def test_a_changed_constant_is_kept_by_force_alone(project: Project) -> None:
    notes = project.folder / "results/demo/accepted.jsonl"
    before = project.hashes("results/demo/variants/*/*.pt")
    project.edit("pipeline/training/transforms.py", "58.395", "58.4")
    assert "train mine" in project.planned()

    process = project.start("python", "-m", "pipeline.accept")
    refused, _ = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "numbers may differ; --force keeps results" in refused
    assert "snakemake  pretrain (2): pipeline/training/transforms.py" in refused
    assert not notes.exists()
    project.run("python", "-m", "pipeline.accept", "--force")
    assert project.planned() == set()
    assert project.stale() == set()
    assert project.hashes("results/demo/variants/*/*.pt") == before
    assert "snakemake  pretrain (2): pipeline/training/transforms.py" in notes.read_text()


def test_a_mistake_in_the_settings_stops_before_any_job(project: Project) -> None:
    path = project.folder / "params.yaml"
    right = path.read_text()
    path.write_text(right.replace("max_rois: 32", "max_rois: -1"))

    process = project.start("snakemake", "--cores", "1")
    output, _ = process.communicate(timeout=60)
    path.write_text(right)

    assert process.returncode != 0
    assert "max_rois: found -1, expected: input should be greater than 0" in output
    assert "Traceback" not in output


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
