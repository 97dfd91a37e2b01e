"""Training, evaluation and report on a disk that is really full, and once there is room."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pipeline.models import checkpoints
from pipeline.settings.params import load_params
from pipeline.training.variants import detector_of
from tests.report.conftest import build  # noqa: F401  the fixture
from tests.small_dataset import contents
from tests.small_disk import SmallDisks
from tests.toy_dataset import write_toy_dataset

IMPORTS = (
    "pipeline.report.files",
    "pipeline.training.processes",
    "pipeline.training.pretraining",
    "pipeline.training.variant_evaluation",
    "pipeline.training.variant_training",
    "mlflow.store.tracking.sqlalchemy_store",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, a backbone to start from and an untrained detector."""
    folder = tmp_path_factory.mktemp("toy")
    write_toy_dataset(folder)
    torch.manual_seed(1)
    model = detector_of(load_params(folder / "params.yaml").train("plain"))
    weights = model.state_dict()
    checkpoints.write_weights(folder / "model.pt", weights, {})
    backbone = {n: value for n, value in weights.items() if n.startswith("backbone.")}
    checkpoints.write_weights(folder / "k700.pt", backbone, {})
    return folder


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisks]:
    disks = SmallDisks(tmp_path_factory.mktemp("log") / "log.txt", IMPORTS)
    yield disks
    disks.close()


def on_small_disk(
    disks: SmallDisks, command: list[str], folder: Path, size: int, ballast: int
) -> tuple[str, str]:
    """Exit code and words of a command without room; the next one, with it, ends with 0."""
    disks.run_twice(command, folder, size, ballast)
    said = (folder / "first.txt").read_text()
    assert "Traceback" not in said
    assert (folder / "second.rc").read_text() == "0\n", (folder / "second.txt").read_text()
    return (folder / "first.rc").read_text().strip(), said


def run_on_small_disk(
    disks: SmallDisks, command: list[str], folder: Path, size: int, ballast: int
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What a command leaves below disk/out, first without room and then with it."""
    code, said = on_small_disk(disks, command, folder, size, ballast)
    assert code == "2", said
    errors = [line for line in said.splitlines() if "ERROR" in line]
    assert len(errors) == 1, said
    assert "disk is full" in errors[0]
    assert str(folder / "disk") in errors[0]
    first = contents(folder / "first") if (folder / "first").exists() else {}
    return first, contents(folder / "second")


def train_command(toy: Path, out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pipeline.stages.train"),
        *("--params", str(toy / "params.yaml"), "--variant", "plain"),
        *("--raw", str(toy / "raw"), "--index", str(toy / "index")),
        *("--frames", str(toy / "frames"), "--pretrained", str(toy / "k700.pt")),
        *("--model", str(out / "model.pt"), "--best", str(out / "best.pt")),
        *("--history", str(out / "history.csv"), "--state", str(out / "state.pt")),
    ]


@pytest.fixture(scope="module")
def whole(toy: Path, disks: SmallDisks) -> dict[str, bytes]:
    """What a training leaves when nothing disturbs it."""
    assert disks.runner.run(train_command(toy, toy / "whole")) == 0
    return contents(toy / "whole")


@pytest.mark.parametrize("size", [64, 800])
def test_a_training_ends_with_the_weights_of_an_undisturbed_one(
    toy: Path, whole: dict[str, bytes], disks: SmallDisks, tmp_path: Path, size: int
) -> None:
    command = train_command(toy, tmp_path / "disk" / "out")
    first, second = run_on_small_disk(disks, command, tmp_path, size, 0)

    assert {name: first[name] for name in first if name in whole}.items() <= whole.items()
    assert "model.pt" not in first
    assert second == whole


def test_an_evaluation_without_room_leaves_nothing_that_passes_for_whole(
    toy: Path, disks: SmallDisks, tmp_path: Path
) -> None:
    command = [
        *(sys.executable, "-m", "pipeline.stages.evaluate"),
        *("--params", str(toy / "params.yaml"), "--variant", "plain"),
        *("--model", str(toy / "model.pt"), "--raw", str(toy / "raw")),
        *("--index", str(toy / "index"), "--frames", str(toy / "frames")),
        *("--out", str(tmp_path / "disk" / "out")),
    ]

    first, second = run_on_small_disk(disks, command, tmp_path, 24, 0)

    assert "detections.parquet" in second
    assert first.items() <= second.items()
    assert len(first) < len(second)


def test_a_report_without_room_leaves_no_page(build, disks, tmp_path):  # noqa: F811
    words = dict(zip(build.arguments[::2], build.arguments[1::2], strict=True))
    words["--out"] = str(tmp_path / "disk/out/report")
    words["--metrics"] = str(tmp_path / "disk/out/metrics.json")
    command = [sys.executable, "-m", "pipeline.stages.report"]
    command += [word for pair in words.items() for word in pair]

    first, second = run_on_small_disk(disks, command, tmp_path, 64, 0)

    assert first == {}
    assert {"report/index.html", "report/table.md", "metrics.json"} <= set(second)
