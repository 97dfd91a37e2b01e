"""Start stages quickly: a process that has imported them forks one off for each line it is told.

A line is JSON, a module and its arguments; the answers are the process's id, then its exit code.
Forking is only safe beside no other thread, which this checks.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

MODULES = ("download", "cut_clips", "extract_frames", "merge_annotations")
# What they import behind their flags.
LATE = (
    "pipeline.frames.shard_cutting",
    "pipeline.frames.shard_extraction",
    "pipeline.annotations.index_files",
    "pipeline.transfers.mirror_server",
    "pipeline.transfers.shard_download",
    "pipeline.params",
)
# Libraries that would start threads at import.
SINGLE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
SINGLE |= {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


class StageRunner:
    """The tests' side: one such process."""

    def __init__(self, log: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stage_runner", str(log)],
            env={**os.environ, **SINGLE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, command: list[str]) -> int:
        """Start a stage's command line; returns its process, which leads a group of its own."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command[command.index("-m") + 1 :]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """The exit code of what was started last; -9 when it was killed."""
        return self._answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


def _stage(log: str, module: str, arguments: list[str]) -> None:
    """The forked process: never returns."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        importlib.import_module(module).main(arguments)
        code = 0
    finally:
        os._exit(code)


def _serve(log: str) -> None:
    for name in (*(f"pipeline.stages.{stage}" for stage in MODULES), *LATE):
        importlib.import_module(name)
    for line in sys.stdin:
        module, *arguments = json.loads(line)
        assert len(os.listdir("/proc/self/task")) == 1
        process = os.fork()
        if not process:
            _stage(log, module, arguments)
        _say(process)
        _say(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
