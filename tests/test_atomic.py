"""Outputs appear complete or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.atomic import written, written_folder


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
        "import os, pathlib, sys; from pipeline.atomic import written\n"
        "with written(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)\n"
    )

    done = subprocess.run([sys.executable, "-c", script, str(target)], check=False)

    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
