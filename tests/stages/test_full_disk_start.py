"""The demo's drawing, detection, pretraining and its record on a disk that is really full."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.small_dataset import SmallDataset, contents, read_settings, write_settings
from tests.small_disk import SmallDisks
from tests.stages.test_full_disk_results import IMPORTS, on_small_disk, run_on_small_disk
from tests.toy_dataset import write_toy_dataset

pytestmark = pytest.mark.slow

# The stage with a detector that finds people anywhere; its weights are any file.
DETECTION = """
import numpy as np
from pipeline.people import person_detector
from pipeline.core.command import run
from pipeline.stages.detect_people import main

def people(frame):
    draws = np.random.default_rng(list(frame.tobytes()[:1000])).random((40, 3))
    corners = draws[:, :2] / 2
    return np.column_stack([corners, corners + 0.25, draws[:, 2]])

def detect(detector, frames, *_):
    return [people(frame) for frame in frames]

person_detector.detect = detect
person_detector.load_detector = lambda *_: None
run(main)
"""


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisks]:
    imports = (*IMPORTS, "pipeline.people.person_boxes", "pipeline.demo.mirror")
    disks = SmallDisks(tmp_path_factory.mktemp("log") / "log.txt", imports)
    yield disks
    disks.close()


def test_a_drawing_leaves_no_mirror_and_is_whole_when_there_is_room(
    tmp_path: Path, disks: SmallDisks
) -> None:
    settings = read_settings()
    settings["draw_world"] |= {
        "ava_train_videos": 1, "ava_val_videos": 1, "ava_seconds": 4,
        "kinetics_train_clips": 1, "kinetics_val_clips": 1, "kinetics_seconds": 3,
    }  # fmt: skip
    write_settings(tmp_path / "params.yaml", settings)
    command = [sys.executable, "-m", "pipeline.stages.draw_world"]
    command += ["--params", str(tmp_path / "params.yaml"), "--mirror"]
    assert disks.runner.run([*command, str(tmp_path / "whole/mirror")]) == 0

    first, second = run_on_small_disk(
        disks, [*command, str(tmp_path / "disk/out/mirror")], tmp_path, 100, 0
    )

    assert first == {}
    assert second == contents(tmp_path / "whole")


def test_a_detection_keeps_its_batches_and_goes_on_when_there_is_room(
    tmp_path: Path, disks: SmallDisks
) -> None:
    world = SmallDataset(tmp_path / "world")
    built = tmp_path / "built"
    for stage in ("download_annotations", "list_clips", "download", "download_2"):
        world.run(stage, built, built, disks.runner)
    for stage in ("cut_clips", "extract_frames"):
        world.run(stage, built, built, disks.runner)
    settings = read_settings(world.params)
    for subset in settings["datasets"]["tiny"]["subsets"]:
        subset["proposals"] = "detect"
    settings["detect_people"]["weights"] = str(world.params)
    write_settings(tmp_path / "detect.yaml", settings)

    def command(out: Path) -> list[str]:
        _, _, _, *flags = world.command("detect_people", built, out)
        flags[flags.index("--params") + 1] = str(tmp_path / "detect.yaml")
        return [sys.executable, "-c", DETECTION, *flags]

    assert disks.runner.run(command(tmp_path / "whole")) == 0

    first, second = run_on_small_disk(disks, command(tmp_path / "disk/out"), tmp_path, 24, 0)

    assert list(first) == ["proposals/.train.parquet.a.partial"]
    assert second == contents(tmp_path / "whole")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, disks: SmallDisks) -> Path:
    """Labelled clips, and what a pretraining makes of them when nothing disturbs it."""
    folder = tmp_path_factory.mktemp("toy")
    write_toy_dataset(folder)
    assert disks.runner.run(pretrain_command(folder, folder / "whole")) == 0
    return folder


def pretrain_command(toy: Path, out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pipeline.stages.pretrain"),
        *("--params", str(toy / "params.yaml"), "--name", "k700"),
        *("--clips", str(toy / "clips.csv"), "--frames", str(toy / "frames")),
        *("--model", str(out / "k700.pt"), "--state", str(out / "state.pt")),
    ]


def test_a_pretraining_ends_with_the_weights_of_an_undisturbed_one(
    toy: Path, tmp_path: Path, disks: SmallDisks
) -> None:
    first, second = run_on_small_disk(
        disks, pretrain_command(toy, tmp_path / "disk/out"), tmp_path, 800, 0
    )

    assert "k700.pt" not in first
    assert second == contents(toy / "whole")


def test_a_store_without_room_costs_a_warning_and_is_whole_when_there_is_room(
    toy: Path, tmp_path: Path, disks: SmallDisks, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "disk/out"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{out}/mlflow.db")
    command = pretrain_command(toy, out)
    command[command.index("--state") :] = ["--summary", str(out / "logs/pretrain/k700.json")]
    # Room for the weights, 1.4 MB, and the summary.
    code, said = on_small_disk(disks, command, tmp_path, size=1600, ballast=0)

    assert code == "0", said
    assert "MLflow: not recorded" in said
    whole = contents(toy / "whole")
    first = contents(tmp_path / "first")
    assert first.pop("logs/pretrain/k700.json")
    assert first == whole
    assert "MLflow: not recorded" not in (tmp_path / "second.txt").read_text()
    assert os.listdir(tmp_path / "second/logs/pretrain") == ["k700.json"]
    client = MlflowClient(f"sqlite:///{tmp_path}/second/mlflow.db")
    experiment = client.get_experiment_by_name("demo")
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.run_name for run in runs] == ["pretrain k700"]
