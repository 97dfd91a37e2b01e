"""Every data stage on a disk that is really full, and on the same disk once there is room.

Where there can be no small disk, a limit on the size of files stands in for it.
"""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.small_disk import SmallDisks
from tests.small_world import STAGES, SmallWorld, contents
from tests.stage_runner import LATE, StageRunner

IMPORTS = (
    *LATE,
    "pipeline.annotations.dataset_clips",
    "pipeline.people.split_people",
    "pipeline.download.annotation_files",
)
LIMITED = """
(ulimit -f {blocks}; {job} 2>&1) | cat > {folder}/first.txt
echo ${{PIPESTATUS[0]}} > {folder}/first.rc
cp -r {disk}/out {folder}/first 2> /dev/null
{job} 2> {folder}/second.txt; echo $? > {folder}/second.rc
cp -r {disk}/out {folder}/second
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
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    world = SmallWorld(tmp_path_factory.mktemp("full"))
    runner = StageRunner(world.folder / "log.txt", IMPORTS)
    world.build(world.folder / "whole", runner)
    runner.close()
    return world


@pytest.mark.parametrize("stage", STAGES)
def test_stage_says_so_in_one_line_and_goes_on_when_there_is_room(
    world: SmallWorld, disks: SmallDisks, tmp_path: Path, stage: str
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
    world: SmallWorld, tmp_path: Path, stage: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    job = shlex.join(world.command(stage, world.folder / "whole", disk / "out"))
    blocks = {"extract_frames": 400, "cut_clips": 2}.get(stage, 0)
    script = LIMITED.format(blocks=blocks, disk=disk, folder=tmp_path, job=job)

    subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)

    check(world, tmp_path, str(disk))


def check(world: SmallWorld, folder: Path, disk: str) -> None:
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
