"""Mirror what was measured to MLflow, for browsing; nothing reads results back from there.

The store is `sqlite:///mlflow.db` in the working folder, or what MLFLOW_TRACKING_URI names. A store
that fails, in whatever way, costs one warning and at most ten seconds, never the work.
"""

import hashlib
import importlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.own_files import open_file
from pipeline.core.secrets import hide_secrets
from pipeline.core.summaries import read_summary

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

WAIT_SECONDS = 9.0  # that a job waits for stores that do not answer, all calls together
QUICK_SECONDS = 1.0  # what a call may take without counting
MAKE_SECONDS = 60.0  # to import MLflow and to make a local store, on a busy machine
# What MLflow imports when it is first used: long, and other jobs wait while a store is made.
LIBRARIES = ("mlflow.tracking.client", "mlflow.store.tracking.sqlalchemy_store", "alembic.command")
_SQLITE = "sqlite:///"
LOCAL_STORE = f"{_SQLITE}mlflow.db"


class TrackedRun:
    """One run of MLflow, or, when the store cannot be reached, a sink that takes everything.

    Attributes:
        is_finished: whether an earlier process has recorded all of it.
    """

    def __init__(
        self, client: "MlflowClient | None" = None, run_id: str = "", status: str = ""
    ) -> None:
        self._client, self._run_id = client, run_id
        self.is_finished = status == "FINISHED"

    def params(self, values: Mapping[str, object]) -> None:
        """Log settings; each is kept as text."""
        if self._client is None:
            return
        from mlflow.entities import Param

        self._send(params=[Param(name, str(value)) for name, value in values.items()])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log numbers at a step (an epoch); names take letters, digits and _ - . / only."""
        if self._client is None:
            return
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        self._send(metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def tags(self, values: Mapping[str, str]) -> None:
        if self._client is None:
            return
        from mlflow.entities import RunTag

        self._send(tags=[RunTag(name, value) for name, value in values.items()])

    def artifact(self, path: Path, folder: str = "") -> None:
        """Store a file, or all files of a folder, with the run."""
        if self._client is not None:
            store = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            _attempt(partial(store, self._run_id, str(path), folder or None))

    def figure(self, png: bytes, name: str) -> None:
        """Store an image, given as the bytes of a PNG file, under a path below the run."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(png)
            self.artifact(path, str(Path(name).parent))

    def table(self, columns: Mapping[Any, list[Any]], name: str) -> None:
        """Store a table (column to values) that the UI shows and compares; `name` ends .json."""
        if self._client is not None:
            _attempt(partial(self._client.log_table, self._run_id, dict(columns), name))

    def finish(self) -> None:
        if self._client is not None:
            _attempt(partial(self._client.set_terminated, self._run_id, "FINISHED"))

    def _send(self, **batch: Any) -> None:
        if self._client is not None:
            _attempt(partial(self._client.log_batch, self._run_id, **batch))


def version_of(paths: Iterable[Path]) -> str:
    """Return the sha256 of the files' bytes, one after the other: names what a run is about."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()


def tracked_run(dataset: str, name: str, fingerprint: str, tags: Mapping[str, str]) -> TrackedRun:
    """Return the run with this fingerprint in a dataset's experiment; a new one if there is none.

    Args:
        dataset: name of the experiment.
        name: shown in the UI: a variant or a stage.
        fingerprint: digest of what the run is about, so that a resumed training and its evaluation
            find the run that the training began.
        tags: further tags; `code_version` is added.
    """
    if _attempt(_prepare_store, MAKE_SECONDS) is None:
        return TrackedRun()
    made = _attempt(partial(_find_or_create, dataset, name, fingerprint, dict(tags)))
    return made if isinstance(made, TrackedRun) else TrackedRun()


def _find_or_create(dataset: str, name: str, fingerprint: str, tags: dict[str, str]) -> TrackedRun:
    client, experiment_id = _open_experiment(dataset)
    found = client.search_runs([experiment_id], f"tags.fingerprint = '{fingerprint}'")
    if found:
        return TrackedRun(client, found[0].info.run_id, found[0].info.status)
    tags = {**tags, "fingerprint": fingerprint, "code_version": _code_version()}
    run = client.create_run(experiment_id, tags=tags, run_name=name)
    return TrackedRun(client, run.info.run_id)


def _open_experiment(dataset: str) -> "tuple[MlflowClient, str]":
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(_address())
    found = client.get_experiment_by_name(dataset)
    if found is None:
        # The kind makes the UI open on the table of runs, not on traces of language models.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        try:
            return client, str(client.create_experiment(dataset, tags=kind))
        except MlflowException:  # another job has just created it
            if (found := client.get_experiment_by_name(dataset)) is None:
                raise
    return client, str(found.experiment_id)


def _address() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI", LOCAL_STORE)


def _prepare_store() -> bool:
    """Import MLflow and make a local store that is not there; return True."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    address = _address()
    for name in LIBRARIES:
        importlib.import_module(name)
    from filelock import FileLock, Timeout

    if not address.startswith(_SQLITE) or re.search(r"[?]|:memory:|/$", address):
        return True
    path = Path(address.removeprefix(_SQLITE))
    # Jobs start side by side; several that create the tables of a new store would crash.
    while not path.exists():
        try:
            with FileLock("mlflow.db.lock", timeout=WAIT_SECONDS):
                _make_store(path)
        except Timeout:
            in_the_making = any(path.parent.glob(f".{path.name}.*"))
            if not in_the_making and not path.exists():
                raise  # who holds it is not making a store
    open_file(path).close()
    return True


def _make_store(path: Path) -> None:
    """Create an SQLite store that is not there; half of its tables would be in the way for good."""
    if path.exists():
        return
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{path.name}.*"):  # of a killed job
        shutil.rmtree(leftover, ignore_errors=True)
    # A folder of a new name each time: MLflow keeps a store open that it has failed to make.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        # MLflow takes a % in a path for its own: a relative path has none of the project's folder.
        part = Path(os.path.relpath(folder)) / path.name
        MlflowClient(f"{_SQLITE}{part}").search_experiments(max_results=1)
        part.rename(path)


class _Patience:
    """What is left of the time that this process waits for stores that fail."""

    def __init__(self) -> None:
        self.left_seconds = WAIT_SECONDS
        self.has_warned = False

    def warn(self, found: str) -> None:
        """Say once what is wrong; later failures have the same reason."""
        if not self.has_warned:
            logger.warning("MLflow: not recorded: %s", hide_secrets(found.partition("\n")[0]))
        self.has_warned = True


_patience = _Patience()


def _attempt(call: Callable[[], object], limit_seconds: float | None = None) -> object:
    """Return what a call to MLflow returns; None if it fails, or takes too long.

    Args:
        call: runs in a thread of its own, which is left behind when it takes too long.
        limit_seconds: for this call; without it, what is left for all.
    """
    if _patience.left_seconds <= 0:
        return None
    results: list[object] = []

    def attempt() -> None:
        try:
            results.append(call())
        except Exception as error:  # whatever MLflow and its libraries raise: logged, in `warn`
            _patience.warn(str(error) or type(error).__name__)

    started = time.monotonic()
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(_patience.left_seconds if limit_seconds is None else limit_seconds)
    took = time.monotonic() - started
    if thread.is_alive():
        _patience.warn(f"no answer from {_address()} within {took:.0f} s")
    if not results:
        _patience.left_seconds -= took
    elif limit_seconds is None:
        _patience.left_seconds -= max(0.0, took - QUICK_SECONDS)
    return results[0] if results else None


def _code_version() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def mirror_stages(dataset: str, logs: Path, stages: tuple[str, ...]) -> None:
    """Make one run per data stage from the summaries that its jobs left below `logs`.

    Counts, bytes and seconds of the jobs are added up; a stage without summaries gets no run. The
    same summaries belong to the same run, which is recorded once.
    """
    for stage in stages:
        paths = sorted((logs / stage).glob("*.json"))
        if not paths:
            continue
        run = tracked_run(dataset, stage, f"{stage}-{version_of(paths)}", {"stage": stage})
        if run.is_finished:
            continue
        summaries = [read_summary(path) for path in paths]
        names = dict.fromkeys(name for summary in summaries for name in summary)
        totals = {name: float(sum(summary.get(name, 0) for summary in summaries)) for name in names}
        run.metrics({**totals, "jobs": len(summaries)})
        run.finish()
