"""What every stage's command line does with mistakes, and when its Snakemake is gone."""

import os
import signal
import subprocess
import sys
import time

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
