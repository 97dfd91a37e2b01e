"""A lock is removed when no living process can hold it, and only then."""

import subprocess
import sys
from pathlib import Path

from pipeline.core.locks import clear_stale_lock
from tests.conftest import ROOT


def leave_lock(folder: Path) -> Path:
    lock = folder / "locks" / "0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    return lock


def test_a_lock_of_the_dead_is_removed(tmp_path: Path) -> None:
    clear_stale_lock(tmp_path).close()  # it lived and died
    lock = leave_lock(tmp_path)

    alive = clear_stale_lock(tmp_path)

    assert not lock.exists()
    alive.close()


def test_a_lock_stays_while_another_lives(tmp_path: Path) -> None:
    first = clear_stale_lock(tmp_path)
    lock = leave_lock(tmp_path)

    second = clear_stale_lock(tmp_path)
    third = clear_stale_lock(tmp_path)  # the second must not have made room for it

    assert lock.exists()
    for file in (first, second, third):
        file.close()


def test_a_lock_of_a_killed_process_is_removed_once_it_is_dead(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from pipeline.core.locks import *\n"
        "alive = clear_stale_lock(Path(sys.argv[1])); print('alive', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        lock = leave_lock(tmp_path)
        clear_stale_lock(tmp_path).close()
        assert lock.exists()
        other.kill()

    clear_stale_lock(tmp_path).close()

    assert not lock.exists()
