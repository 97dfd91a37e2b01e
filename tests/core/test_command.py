"""What every stage's command line does with mistakes, and when its Snakemake is gone."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PYTHON = shlex.quote(sys.executable)
SCRIPT = "from pipeline.core.command import run\ndef main():\n    {body}\nrun(main)\n"


def run(body: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body=body)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_users_mistake_is_one_line_and_exit_code_2() -> None:
    done = run("raise ValueError('clips.csv: row 3: found x, expected y')")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "clips.csv: row 3: found x, expected y" in done.stderr


def test_what_a_file_says_about_itself_cannot_break_the_line() -> None:
    done = run(r"raise ValueError('a.csv: found \x1b[2J\r\n\x1dERROR gone')")

    assert done.stderr.count("\n") == 1
    assert r"a.csv: found \x1b[2J\r\n\x1dERROR gone" in done.stderr


def test_debugging_keeps_the_traceback() -> None:
    done = run("raise ValueError('row 3')", AVA_DEBUG="1")

    assert "Traceback" in done.stderr


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    done = run("assert 1 == 2")

    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_job_ends_when_its_parent_has_ended() -> None:
    parent = subprocess.Popen(["sleep", "60"])
    job = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(body="import time; time.sleep(60)")],
        env={**os.environ, "AVA_PARENT": str(parent.pid)},
    )
    time.sleep(1)
    assert job.poll() is None

    parent.kill()
    parent.wait()

    assert job.wait(timeout=10) == -signal.SIGKILL


def test_warnings_of_the_project_also_reach_the_terminal_beside_the_log(tmp_path: Path) -> None:
    body = (
        "import logging; log = logging.getLogger('pipeline.x'); log.info('quiet');"
        " log.warning('2 of 3 boxes have no area'); logging.getLogger('other').warning('theirs')"
    )
    script = SCRIPT.format(body=body)
    command = f'exec 3>&2; AVA_TERMINAL=3 {PYTHON} -c "$1" > {tmp_path}/log 2>&1'

    done = subprocess.run(["bash", "-c", command, "", script], capture_output=True, text=True)

    assert done.stderr == "WARNING 2 of 3 boxes have no area\n"
    log = (tmp_path / "log").read_text()
    assert all(text in log for text in ("quiet", "no area", "theirs"))


def test_a_forked_process_shows_its_warnings_once(tmp_path: Path) -> None:
    body = (
        "import logging, os; from pipeline.core.command import log_lines;"
        " os.fork() or (log_lines(), logging.getLogger('pipeline.x').warning('odd')); os._exit(0)"
    )
    command = f'exec 3>&2; AVA_TERMINAL=3 {PYTHON} -c "$1" > {tmp_path}/log 2>&1; sleep 0.5'

    done = subprocess.run(
        ["bash", "-c", command, "", SCRIPT.format(body=body)], capture_output=True, check=True
    )

    assert done.stderr == b"WARNING odd\n"


def test_a_job_shows_no_more_than_ten_warnings_on_the_terminal(tmp_path: Path) -> None:
    body = "import logging; [logging.getLogger('pipeline.x').warning(n) for n in range(50)]"
    command = f'exec 3>&2; AVA_TERMINAL=3 {PYTHON} -c "$1" > {tmp_path}/log 2>&1'

    done = subprocess.run(
        ["bash", "-c", command, "", SCRIPT.format(body=body)], capture_output=True, check=True
    )

    assert done.stderr.count(b"\n") == 10
    assert (tmp_path / "log").read_text().count("\n") == 50


def test_a_terminal_that_is_gone_harms_nothing() -> None:
    done = run("import logging; logging.getLogger('pipeline.x').warning('x')", AVA_TERMINAL="77")

    assert (done.returncode, done.stderr.count("\n")) == (0, 1)


STAGE = SCRIPT.format(body="import os, time; print(os.getpid(), flush=True); time.sleep(60)")


@pytest.mark.parametrize("last", ["; true", ""])  # bash may become its last command
def test_a_job_ends_when_the_shell_that_started_it_is_killed(last: str) -> None:
    prefix = "set -e; export AVA_PARENT=$PPID AVA_STARTED_BY=$$; "
    command = [*("bash", "-c"), f'{prefix}{PYTHON} -c "$1"{last}', "bash", STAGE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        job = int(shell.stdout.readline())

        shell.kill()

        until = time.monotonic() + 5
        while is_running(job):
            assert time.monotonic() < until
            time.sleep(0.02)


def test_a_job_started_by_a_shell_works(tmp_path: Path) -> None:
    script = SCRIPT.format(body="import time; time.sleep(1); print('done')")
    prefix = "export AVA_PARENT=$PPID AVA_STARTED_BY=$$; "
    command = ["bash", "-c", f'{prefix}{PYTHON} -c "$1"; true', "bash", script]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == "done\n"


def test_a_stage_that_a_stage_started_ends_with_it() -> None:
    inner = SCRIPT.format(body="import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    outer = SCRIPT.format(
        body="import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    )
    environment = {**os.environ, "AVA_PARENT": str(os.getpid())}
    command = [sys.executable, "-c", outer, inner]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as stage:
        assert stage.stdout is not None
        started = int(stage.stdout.readline())

        stage.kill()

        until = time.monotonic() + 5
        while is_running(started):
            assert time.monotonic() < until
            time.sleep(0.02)


def is_running(process: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
