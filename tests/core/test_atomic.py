"""Outputs appear complete or not at all."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.atomic import written, written_folder
from pipeline.core.disk_space import DiskFullError


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")

    with pytest.raises(FileNotFoundError), written(target) as temporary:
        temporary.write_text(Path("no such file").read_text())

    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "stale").touch()

    with written_folder(folder) as temporary:
        (temporary / "fresh").touch()

    assert os.listdir(folder) == ["fresh"]
    assert os.listdir(tmp_path) == ["clips"]


def test_a_kill_while_the_old_folder_is_deleted_leaves_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    script = (
        "import os, pathlib, shutil, sys; from pipeline.core.atomic import written_folder\n"
        "def die(path, **_):\n"
        "    if pathlib.Path(path).is_dir(): os.kill(os.getpid(), 9)\n"
        "with written_folder(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    (temporary / 'fresh').touch(); shutil.rmtree = die\n"
    )
    folder.mkdir()
    (folder / "stale").touch()

    done = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)

    assert done.returncode == -signal.SIGKILL
    assert os.listdir(folder) == ["fresh"]
    with written_folder(folder) as temporary:
        (temporary / "later").touch()
    assert os.listdir(tmp_path) == ["clips"]


def test_a_folder_that_cannot_take_the_name_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "whole").touch()
    rename = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.suffix == ".part":
            raise OSError(errno.ENOSPC, "no space", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DiskFullError), written_folder(folder) as temporary:
        (temporary / "fresh").touch()

    assert os.listdir(folder) == ["whole"]
    assert os.listdir(tmp_path) == ["clips"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "whole").touch()

    with pytest.raises(FileNotFoundError), written_folder(folder) as temporary:
        (temporary / "half").write_text(Path("no such file").read_text())

    assert os.listdir(folder) == ["whole"]


def test_a_kill_in_the_middle_leaves_no_output(tmp_path: Path) -> None:
    target = tmp_path / "model.pt"
    script = (
        "import os, pathlib, sys; from pipeline.core.atomic import written\n"
        "with written(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)\n"
    )

    done = subprocess.run([sys.executable, "-c", script, str(target)], check=False)

    assert done.returncode == -signal.SIGKILL
    assert not target.exists()


SMALL_LIMIT = """
import resource, signal, sys
from pathlib import Path
from pipeline.core.atomic import written
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
target = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    with written(target) as temporary:
        {write}
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize(
    "write",
    [
        "temporary.write_bytes(bytes(100_000))",
        "import pandas; pandas.DataFrame({'a': range(90_000)}).to_csv(temporary)",
        "import numpy, pyarrow, pyarrow.parquet as pq;"
        " pq.write_table(pyarrow.table({'a': numpy.random.rand(90_000)}), temporary)",
    ],
)
def test_no_room_names_the_output_and_leaves_the_old_one(tmp_path: Path, write: str) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    command = [sys.executable, "-c", SMALL_LIMIT.format(write=write), str(target)]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    expected = "disk is full: no space left; make room and run again"
    assert done.stdout == f"[Errno 28] {expected}: '{target}'\n"
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]
