"""One writer for a file or folder; a lock is removed when no living process can hold it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.core import locks
from pipeline.core.atomic import written, written_folder
from pipeline.core.locks import HeldError, clear_stale_lock, held_folder
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


WRITER = """
import sys, time
from pathlib import Path
from pipeline.core.atomic import written, written_folder
from pipeline.core.locks import held_folder
with globals()[sys.argv[1]](Path(sys.argv[2])):
    print("holds it", flush=True)
    time.sleep(60)
"""


def other_writer(kind: str, path: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, kind, str(path)]
    writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "holds it\n"
    return writer


@pytest.mark.parametrize("write", [written, written_folder, held_folder])
def test_a_second_writer_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object
) -> None:
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.2)
    other = other_writer(write.__name__, tmp_path / "out")
    try:
        with (
            pytest.raises(HeldError, match="another process is writing it"),
            write(tmp_path / "out"),
        ):
            pass
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("write", [written, written_folder, held_folder])
def test_a_writer_goes_on_when_the_one_before_it_is_killed(tmp_path: Path, write: object) -> None:
    other = other_writer(write.__name__, tmp_path / "out")
    threading.Timer(0.5, other.kill).start()
    started = time.monotonic()

    with write(tmp_path / "out"):
        pass

    assert time.monotonic() - started > 0.4
    assert other.wait() == -signal.SIGKILL


def test_many_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    mixed = list[str]()

    def write(letter: str) -> None:
        for _ in range(20):
            with written(path) as temporary:
                with temporary.open("w") as file:
                    for _ in range(10):
                        file.write(letter * 5000)
                        file.flush()
                mixed.extend({temporary.read_text()} - {letter * 50_000})

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert mixed == []
    assert os.listdir(tmp_path) == ["table.csv"]
