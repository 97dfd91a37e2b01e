"""A download job on a disk that is really full, and on the same disk once there is room."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.download_world import World, arguments, params_file, video

# A file system of its own, in a name space of its own: needs no root, but a kernel that allows it.
SCRIPT = """
mount -t tmpfs -o size={size}k none {disk} || exit 77
{job} 2> {folder}/first.txt; echo $? > {folder}/first.rc
ls -A {disk} {disk}/out > {folder}/first.ls
mount -o remount,size=100m {disk}
{job} 2> {folder}/second.txt; echo $? > {folder}/second.rc
cp -r {disk}/out/. {folder}/result
"""


def run_on_small_disk(world: World, folder: Path, size_kb: int) -> None:
    disk = folder / "disk"
    disk.mkdir()
    (folder / "result").mkdir()
    world.out = disk / "out"
    command = [sys.executable, "-m", "pipeline.stages.download"]
    command += arguments(world, params_file(world))
    job = shlex.join(command)
    script = SCRIPT.format(size=size_kb, disk=disk, folder=folder, job=job)
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    try:
        done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare on this system")
    if done.returncode:
        pytest.skip(f"no file system of one's own here: {done.stderr.strip()[:200]}")


@pytest.mark.parametrize("kind", ["files", "archive"])
def test_job_says_so_in_one_line_and_goes_on_when_there_is_room(tmp_path, kind):
    world = World(tmp_path / "world")
    names = [f"{number}.mp4" for number in range(8)]  # of 64 kB
    if kind == "files":
        world.publish(*names)
        world.want(*[Path(name).stem for name in names])
    else:
        world.publish_archives(names)
        world.want(*[Path(name).stem for name in names], shard="")

    run_on_small_disk(world, tmp_path, size_kb=300)

    assert (tmp_path / "first.rc").read_text() == "2\n"
    errors = [line for line in (tmp_path / "first.txt").read_text().splitlines() if "ERROR" in line]
    assert len(errors) == 1
    assert "disk is full" in errors[0]
    assert "make room and run again" in errors[0]
    assert "00.csv" not in (tmp_path / "first.ls").read_text().split()
    assert (tmp_path / "second.rc").read_text() == "0\n"
    result = tmp_path / "result"
    assert {path.name: path.read_bytes() for path in (result / "00").iterdir()} == {
        name: video(name) for name in names
    }
    assert sorted(path.name for path in result.glob("[!.]*")) == ["00", "00.csv"]
    assert json.loads((tmp_path / "world" / "summary.json").read_text())["clips"] == 8
