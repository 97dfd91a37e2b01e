"""Annotation files that were made to harm: formulas, NULs, a line that fills the memory."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.annotations.ava_csv import read_detections, read_exclusions, read_ground_truth
from pipeline.annotations.class_list import read_class_list
from pipeline.annotations.coverage import write_coverage
from pipeline.annotations.dataset_clips import list_clips
from pipeline.annotations.kinetics_lists import read_clip_list
from pipeline.clips import is_safe_name
from pipeline.people.proposals import read_proposals
from tests.conftest import ROOT
from tests.small_annotations import small_params, write_raw

READERS: list[Callable[[Path], object]] = [
    read_ground_truth,
    read_detections,
    read_exclusions,
    read_clip_list,
    read_proposals,
    read_class_list,
]
MEGABYTES = 100
# Prints by how many MB the peak grew while a reader refused a file, and what it said.
MEASURE = """
import resource, sys
from pathlib import Path
from {module} import {name} as read
small = Path(sys.argv[1] + ".small.csv")
small.write_text("a,1")
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
def refused(path):
    try:
        read(path)
    except ValueError as error:
        return str(error)
refused(small)
before = peak()
said = refused(Path(sys.argv[1]))
print(peak() - before, said)
"""


@pytest.fixture(scope="module")
def long_line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "line.csv"
    with path.open("wb") as file:
        for _ in range(MEGABYTES):
            file.write(b"1," * 500_000)
    return path


@pytest.mark.parametrize("read", READERS)
def test_a_line_of_100_mb_is_refused_in_little_memory(
    long_line: Path, read: Callable[[Path], object]
) -> None:
    script = MEASURE.format(module=read.__module__, name=read.__name__)
    command = [sys.executable, "-c", script, str(long_line)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    grown, said = done.stdout.split(" ", 1)
    assert float(grown) < 50
    assert said.count("\n") == 1
    assert str(long_line) in said
    assert len(said) < 400 + len(str(long_line))


def test_a_packed_line_without_end_is_not_unfolded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(MEGABYTES):
            file.write(b"0" * 1_000_000)

    with pytest.raises(ValueError, match=r"row 1: found a line of 1,048,576 characters or more"):
        read_ground_truth(path)


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "@SUM(1)", "-2+3+cmd|calc!A0", "=cmd|calc!A0", "-1(2)"]
)
def test_a_formula_is_no_clips_name(tmp_path: Path, name: str) -> None:
    write_raw(tmp_path / "raw")
    (tmp_path / "raw" / "ava.csv").write_text(f"{name},0902,0.25,0.25,0.75,0.75,12,1\n")

    with pytest.raises(ValueError, match="expected a name that can be a file's"):
        list_clips(tmp_path / "raw", tmp_path / "clips.csv", small_params())

    assert not (tmp_path / "clips.csv").exists()


def test_ids_that_only_look_odd_stay_names() -> None:
    assert all(is_safe_name(name) for name in ("-5KQ66BBWC4", "--abc", "_x", "a b", "ü", "1=1"))


def test_a_reason_is_never_written_as_a_formula(tmp_path: Path) -> None:
    row = {"subset": "a", "clip": "c", "status": "missing", "reason": '=HYPERLINK("x")'}

    write_coverage(tmp_path / "coverage.csv", pd.DataFrame([row]))

    assert pd.read_csv(tmp_path / "coverage.csv")["reason"].tolist() == ['HYPERLINK("x")']


@pytest.mark.parametrize("line", ["a\0b,0902,0,0,1,1,3", "ab,0902,0,0,1,1\0,3", "\0"])
@pytest.mark.parametrize("read", READERS)
def test_a_nul_is_refused_in_one_line(
    tmp_path: Path, line: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / "file.csv"
    path.write_text(line + "\n")

    with pytest.raises(ValueError, match=r"file\.csv") as refusal:
        read(path)

    assert "\n" not in str(refusal.value)
    assert "\0" not in str(refusal.value)


def test_blocks_that_never_close_take_no_time(tmp_path: Path) -> None:
    path = tmp_path / "classes.pbtxt"
    path.write_text("item {" * 150_000)

    with pytest.raises(ValueError, match="found no class"):
        read_class_list(path)
