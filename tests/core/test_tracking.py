"""What is mirrored to MLflow, in a store of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.core import tracking
from pipeline.core.tracking import mirror_stages, tracked_run
from tests.conftest import ROOT
from tests.core.conftest import runs_of


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is a job of its own."""
    monkeypatch.setattr(tracking, "_patience", tracking._Patience())


def test_training_and_evaluation_meet_in_one_run(store: MlflowClient) -> None:
    training = tracked_run("demo", "focal", "digest-1", {"variant": "focal"})
    training.params({"epochs": 2})
    training.metrics({"loss": 0.5}, step=1)

    evaluation = tracked_run("demo", "focal", "digest-1", {"variant": "focal"})
    evaluation.metrics({"mAP": 0.25})
    evaluation.finish()

    assert runs_of(store, "demo") == {"focal": {"loss": 0.5, "mAP": 0.25}}


def test_another_fingerprint_is_another_run(store: MlflowClient) -> None:
    tracked_run("demo", "focal", "digest-1", {}).metrics({"mAP": 0.1})
    tracked_run("demo", "focal again", "digest-2", {}).metrics({"mAP": 0.2})

    assert runs_of(store, "demo") == {"focal": {"mAP": 0.1}, "focal again": {"mAP": 0.2}}


def test_artifacts_and_tables_are_kept(store: MlflowClient, tmp_path: Path) -> None:
    (tmp_path / "curve.png").write_bytes(b"png")
    run = tracked_run("demo", "focal", "digest", {})

    run.artifact(tmp_path / "curve.png", "figures")
    run.table({"action": ["stand"], "AP": [0.5]}, "per_class_ap.json")

    experiment = store.get_experiment_by_name("demo")
    run_id = store.search_runs([experiment.experiment_id])[0].info.run_id
    assert [file.path for file in store.list_artifacts(run_id, "figures")] == ["figures/curve.png"]
    assert "per_class_ap.json" in [file.path for file in store.list_artifacts(run_id)]


def test_a_stage_gets_one_run_with_the_sums_of_its_jobs(
    store: MlflowClient, tmp_path: Path
) -> None:
    folder = tmp_path / "logs" / "download"
    folder.mkdir(parents=True)
    (folder / "00.json").write_text(json.dumps({"clips": 3, "bytes": 10}))
    (folder / "01.json").write_text(json.dumps({"clips": 4, "missing": 1}))

    mirror_stages("demo", tmp_path / "logs", ("download", "cut_clips"))

    assert runs_of(store, "demo") == {
        "download": {"clips": 7, "bytes": 10, "missing": 1, "jobs": 2}
    }


def test_the_same_summaries_are_recorded_once_and_others_in_a_run_of_their_own(
    store: MlflowClient, tmp_path: Path
) -> None:
    folder = tmp_path / "logs" / "download"
    folder.mkdir(parents=True)
    (folder / "00.json").write_text(json.dumps({"clips": 3}))
    mirror_stages("demo", tmp_path / "logs", ("download",))

    mirror_stages("demo", tmp_path / "logs", ("download",))
    (folder / "00.json").write_text(json.dumps({"clips": 4}))
    mirror_stages("demo", tmp_path / "logs", ("download",))

    experiment = store.get_experiment_by_name("demo")
    runs = store.search_runs([experiment.experiment_id])
    assert sorted(run.data.metrics["clips"] for run in runs) == [3, 4]
    history = [store.get_metric_history(run.info.run_id, "clips") for run in runs]
    assert [len(values) for values in history] == [1, 1]


def test_jobs_that_start_together_on_a_new_store_all_arrive(
    tmp_path: Path,
) -> None:
    store = f"sqlite:///{tmp_path}/new.db"
    script = (
        "import sys; from pipeline.core.tracking import tracked_run\n"
        "tracked_run('demo', sys.argv[1], sys.argv[1], {}).metrics({'mAP': 0.5})\n"
    )
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(ROOT)}

    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", script, f"row{number}"], cwd=tmp_path, env=environment
        )
        for number in range(4)
    ]

    assert [job.wait() for job in jobs] == [0, 0, 0, 0]
    assert set(runs_of(MlflowClient(store), "demo")) == {"row0", "row1", "row2", "row3"}


def test_a_store_that_had_no_room_is_made_whole_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "none", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        monkeypatch.chdir(disk)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracked_run("demo", "focal", "digest", {}).metrics({"mAP": 0.5})
        assert "MLflow: not recorded" in caplog.text
        assert [path.name for path in disk.iterdir()] == ["mlflow.db.lock"]

        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        monkeypatch.setattr(tracking, "_patience", tracking._Patience())  # of a later job
        tracked_run("demo", "focal", "digest", {}).metrics({"mAP": 0.5})
        uri = f"sqlite:///{disk}/mlflow.db"
        assert runs_of(MlflowClient(uri), "demo") == {"focal": {"mAP": 0.5}}
    finally:
        monkeypatch.chdir(tmp_path)
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_kill_while_a_store_is_created_leaves_none_and_the_next_job_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os; from sqlalchemy import event; from sqlalchemy.engine import Engine\n"
        "@event.listens_for(Engine, 'commit')\n"
        "def die(connection): os.kill(os.getpid(), 9)\n"
        "from pipeline.core.tracking import tracked_run\n"
        "tracked_run('demo', 'focal', 'digest', {})\n"
    )
    store = f"sqlite:///{tmp_path}/new/folder/mlflow.db"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(ROOT)}

    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment)

    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "new/folder/mlflow.db").exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    tracked_run("demo", "focal", "digest", {}).metrics({"mAP": 0.5})
    assert runs_of(MlflowClient(store), "demo") == {"focal": {"mAP": 0.5}}
    assert os.listdir(tmp_path / "new/folder") == ["mlflow.db"]  # nothing is left of the first


def test_a_summary_that_is_none_is_left_out(
    store: MlflowClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "logs" / "download"
    folder.mkdir(parents=True)
    (folder / "00.json").write_text(json.dumps({"clips": 3}))
    (folder / "01.json").write_text('["clips"]')
    (folder / "02.json").write_text('{"clips": "many"}')

    mirror_stages("demo", tmp_path / "logs", ("download",))

    assert runs_of(store, "demo") == {"download": {"clips": 3, "jobs": 3}}
    assert caplog.text.count("found no counts") == 2
