"""What is mirrored to MLflow, in a store of its own."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from pipeline.core import tracking
from pipeline.core.tracking import mirror_stages, tracked_run
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is a job of its own."""
    monkeypatch.setattr(tracking, "_patience", tracking._Patience())


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments(max_results=1)
    return path


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return MlflowClient(uri)


def runs_of(client: MlflowClient, dataset: str) -> dict[str, dict[str, float]]:
    experiment = client.get_experiment_by_name(dataset)
    found = client.search_runs([experiment.experiment_id])
    return {run.info.run_name: run.data.metrics for run in found}


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


# A job that records in three runs; prints the seconds that this took behind the imports.
JOB = """
import logging, time
import mlflow.store.tracking.sqlalchemy_store, mlflow.store.tracking.rest_store
from pathlib import Path
from pipeline.core.command import log_lines
from pipeline.core.tracking import tracked_run
log_lines()
started = time.monotonic()
for name in ("one", "two", "three"):
    run = tracked_run("demo", name, name, {"stage": name})
    run.params({"epochs": 2})
    run.metrics({"mAP": 0.5})
    run.table({"action": ["stand"], "AP": [0.5]}, "per_class_ap.json")
    run.artifact(Path("file.txt"))
    run.finish()
print(time.monotonic() - started)
"""


def record(folder: Path, address: str) -> tuple[float, str]:
    """Run the job in a folder; return the seconds it took and what it logged."""
    (folder / "file.txt").touch()
    environment = {**os.environ, "MLFLOW_TRACKING_URI": address, "PYTHONPATH": str(ROOT)}
    for name in ("MLFLOW_TRACKING_URI",) if not address else ():
        del environment[name]
    done = subprocess.run(
        [sys.executable, "-c", JOB],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize(
    "address",
    [
        "http://user:pa55word@127.0.0.1:9",
        "postgresql://user:pa55word@127.0.0.1:9/none",
        "s3://bucket/none",
        "http://[::bad",
        "sqlite:////proc/none/mlflow.db",
    ],
)
def test_a_store_that_fails_costs_one_warning(tmp_path: Path, address: str) -> None:
    seconds, log = record(tmp_path, address)

    assert log.count("MLflow: not recorded") == 1
    assert "Traceback" not in log
    assert "pa55word" not in log
    assert seconds < 10


def test_a_server_that_never_answers_costs_ten_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        seconds, log = record(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")

    assert log.count("MLflow: not recorded") == 1
    assert 8 < seconds < 11


@pytest.mark.parametrize("kind", ["folder", "pipe", "no database"])
def test_a_local_store_that_is_none_costs_one_warning(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mlflow.db"
    makers = {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}
    makers |= {"no database": lambda: path.write_bytes(b"x" * 9000)}
    makers[kind]()

    seconds, log = record(tmp_path, "")

    assert log.count("MLflow: not recorded") == 1
    assert "Traceback" not in log
    assert seconds < 10


def test_a_held_lock_of_the_local_store_costs_ten_seconds(tmp_path: Path) -> None:
    with FileLock(tmp_path / "mlflow.db.lock"):
        seconds, log = record(tmp_path, "")

    assert log.count("MLflow: not recorded") == 1
    assert seconds < 11


def test_a_store_of_a_later_mlflow_costs_one_warning(store: MlflowClient, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()

    seconds, log = record(tmp_path, "")

    assert log.count("MLflow: not recorded") == 1
    assert seconds < 10


def test_a_store_works_below_a_folder_with_a_percent_sign(tmp_path: Path) -> None:
    folder = tmp_path / "100% b{x}c"
    folder.mkdir()

    _, log = record(folder, "")

    assert "MLflow: not recorded" not in log
    shutil.copy(folder / "mlflow.db", tmp_path)
    found = runs_of(MlflowClient(f"sqlite:///{tmp_path}/mlflow.db"), "demo")
    assert found == {name: {"mAP": 0.5} for name in ("one", "two", "three")}


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
