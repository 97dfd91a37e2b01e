"""A store of MLflow that fails, in whatever way, costs one warning and at most ten seconds."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from tests.conftest import ROOT
from tests.core.conftest import runs_of

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
