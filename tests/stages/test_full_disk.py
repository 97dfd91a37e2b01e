"""Every data stage on a disk that is really full, and on the same disk once there is room.

Where there can be no small disk, a limit on the size of files stands in for it.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small_dataset import STAGES, SmallDataset, contents
from tests.small_disk import SmallDisks
from tests.stage_runner import LATE, StageRunner

pytestmark = pytest.mark.slow
IMPORTS = (
    *LATE,
    "pipeline.annotations.dataset_clips",
    "pipeline.people.person_boxes",
    "pipeline.download.annotation_files",
)
# Runs a module whose files may not grow beyond a number of bytes. Its words go through a pipe, as
# they would stand in such a file themselves.
LIMITED = """
import os, resource, runpy, subprocess, sys, traceback
size, module = int(sys.argv[1]), sys.argv[2]
words = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
for number in (1, 2):
    os.dup2(words.stdin.fileno(), number)
words.stdin.close()
try:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
except Exception:
    traceback.print_exc()
    raise
finally:
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nothing, number)
    words.wait()
"""
# By stage: kB of the disk, then of them taken; some outputs are smaller than any disk can be.
SIZES = {
    "download_annotations": (24, 0),
    "list_clips": (16, 16),
    "download": (24, 0),
    "download_2": (16, 0),
    "cut_clips": (20, 0),
    "extract_frames": (400, 0),
    "detect_people": (16, 16),
    "merge_annotations": (16, 8),
}


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisks]:
    disks = SmallDisks(tmp_path_factory.mktemp("log") / "log.txt", IMPORTS)
    yield disks
    disks.close()


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageRunner]:
    runner = StageRunner(tmp_path_factory.mktemp("log") / "log.txt", IMPORTS)
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, runner: StageRunner) -> SmallDataset:
    world = SmallDataset(tmp_path_factory.mktemp("full"))
    world.build(world.folder / "whole", runner)
    return world


@pytest.mark.parametrize("stage", STAGES)
def test_stage_says_so_in_one_line_and_goes_on_when_there_is_room(
    world: SmallDataset, disks: SmallDisks, tmp_path: Path, stage: str
) -> None:
    command = world.command(stage, world.folder / "whole", tmp_path / "disk" / "out")

    disks.run_twice(command, tmp_path, *SIZES[stage])

    check(world, tmp_path, str(tmp_path / "disk"))


# Downloads know a full disk, not this limit; what there is of them besides is in test_full_disk.py
# of the transfers.
@pytest.mark.parametrize(
    "stage", [stage for stage in STAGES if "download" not in {stage, stage[:-2]}]
)
def test_stage_says_so_where_files_may_not_grow(
    world: SmallDataset, runner: StageRunner, tmp_path: Path, stage: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = world.command(stage, world.folder / "whole", disk / "out")
    python, _, *words = command
    size = 1024 * {"extract_frames": 400, "cut_clips": 2}.get(stage, 0)
    limited = [python, "-c", LIMITED, str(size), *words]

    for name, words in (("first", limited), ("second", command)):
        code = runner.run(words, tmp_path / f"{name}.txt")
        (tmp_path / f"{name}.rc").write_text(f"{code}\n")
        if (disk / "out").exists():
            shutil.copytree(disk / "out", tmp_path / name)

    check(world, tmp_path, str(disk))


def check(world: SmallDataset, folder: Path, disk: str) -> None:
    """The first run said what there was no room for and left no output; the second made it."""
    said = (folder / "first.txt").read_text()
    assert (folder / "first.rc").read_text() == "2\n", said
    errors = [line for line in said.splitlines() if "ERROR" in line]
    assert len(errors) == 1, said
    assert "disk is full" in errors[0]
    assert disk in errors[0]
    assert "Traceback" not in said
    whole = contents(world.folder / "whole")
    left = contents(folder / "first") if (folder / "first").exists() else {}
    finished = {name: text for name, text in left.items() if "/." not in f"/{name}"}
    assert finished.items() <= whole.items()  # each is whole, or has a name that nobody reads
    assert (folder / "second.rc").read_text() == "0\n", (folder / "second.txt").read_text()
    made = contents(folder / "second")
    assert made
    assert made.items() <= whole.items()
    assert len(finished) < len(made)
