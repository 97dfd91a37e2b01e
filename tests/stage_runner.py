"""Start Python commands quickly: a process that has imported what they need forks one off for each.

A request is a line of JSON: what stands behind `python`, a file for its output and variables of
its environment. The answers are the process's id, then its exit code. Forking is only safe beside
no other thread, which this checks; where it cannot, it starts a new Python.
"""

import importlib
import json
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

MODULES = ("download", "cut_clips", "extract_frames", "merge_annotations")
# What they import behind their flags.
LATE = (
    "pipeline.video.shard_cutting",
    "pipeline.video.shard_extraction",
    "pipeline.annotations.index_files",
    "pipeline.demo.mirror_server",
    "pipeline.download.job",
    "pipeline.settings.params",
)
THREADS = Path("/proc/self/task")
# Libraries that would start threads at import.
SINGLE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
SINGLE |= {"JE_ARROW_MALLOC_CONF": "background_thread:false"}

# Libraries that always do, and that others import where there are any: in the fork only.
THREADED = ("polars",)


class StageRunner:
    """The tests' side: one such process.

    Args:
        log: takes the output of commands that have no other file for it.
        imports: modules to have at hand.
        shell: a command to start the process with.
    """

    def __init__(self, log: Path, imports: Sequence[str] = LATE, shell: Sequence[str] = ()) -> None:
        self._log = log
        self._process = subprocess.Popen(
            [*shell, sys.executable, "-m", "tests.stage_runner", *imports],
            env={**os.environ, **SINGLE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, command: Sequence[str], log: Path | None = None) -> int:
        """Start a Python command line; returns its process, which leads a group of its own."""
        assert self._process.stdin is not None
        request = {"words": command[1:], "log": str(log or self._log), "env": dict(os.environ)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """The exit code of what was started last; -9 when it was killed."""
        return self._answer()

    def run(self, command: Sequence[str], log: Path | None = None) -> int:
        """Run a Python command line to its end; returns its exit code."""
        self.start(command, log)
        return self.wait()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


def _do(words: list[str], log: str, env: dict[str, str]) -> None:
    """The forked process, which does what `python` does with these words: never returns."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update({**env, **SINGLE})
    for name in THREADED:
        del sys.modules[name]
    code: object = 1
    try:
        option, what, *arguments = words
        sys.argv = [option, *arguments]
        if option == "-c":
            exec(what, {"__name__": "__main__"})
        else:
            assert option == "-m"
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _begin(words: list[str], log: str, env: dict[str, str]) -> int:
    """Start the process for a request; returns its id."""
    if not THREADS.exists():
        command = [sys.executable, *words]
        with open(log, "ab") as output:
            started = subprocess.Popen(
                command, stdout=output, stderr=output, env=env, start_new_session=True
            )
        return started.pid
    assert len(list(THREADS.iterdir())) == 1
    process = os.fork()
    if not process:
        _do(words, log, env)
    return process


def _serve(imports: Sequence[str]) -> None:
    sys.modules.update(dict.fromkeys(THREADED))  # type: ignore[arg-type]  # None: not to be found
    for name in imports:
        importlib.import_module(name)
    for line in sys.stdin:
        process = _begin(**json.loads(line))
        _say(process)
        _say(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1:])
