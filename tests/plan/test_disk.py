"""The room that a build will need, on which disk, estimated here by hand."""

from pathlib import Path

import pytest

from pipeline.plan import __main__ as command
from pipeline.plan import disk
from pipeline.plan.figures import Step
from pipeline.settings.params import Params
from tests.conftest import ROOT
from tests.plan.test_plan import steps_of
from tests.small_dataset import read_settings


def with_folder(path: Path) -> Params:
    """The study whose Kinetics training clips lie in a folder."""
    raw = read_settings()
    subset = raw["datasets"]["ava_kinetics"]["subsets"][2]
    subset["sources"] = [{"kind": "folder", "path": str(path)}]
    return Params(raw, "params.yaml", "ava_kinetics")


def test_folder_on_the_disk_of_the_data_takes_no_room(tmp_path):
    (tmp_path / "k700").mkdir()
    step = steps_of(with_folder(tmp_path / "k700"), tmp_path)["download"]

    # Left are AVA's 157 GB and the seconds of 32,000 clips of validation.
    assert step.disk_bytes == pytest.approx(157e9 + 0.6 * 32_000 * 1.86167e6, rel=1e-4)
    assert any("hard links" in note for note in step.notes)


def test_folder_on_another_disk_takes_its_size(tmp_path, monkeypatch):
    (tmp_path / "k700").mkdir()
    monkeypatch.setattr(disk, "_device", lambda path: "k700" in str(path))
    step = steps_of(with_folder(tmp_path / "k700"), tmp_path)["download"]

    expected = 157e9 + (141_000 + 0.6 * 32_000) * 1.86167e6
    assert step.disk_bytes == pytest.approx(expected, rel=1e-4)


def test_room_is_reckoned_on_the_disk_that_holds_each_folder(tmp_path, monkeypatch):
    for place in ("small/.dvc", "large"):
        (tmp_path / place).mkdir(parents=True)
    root, large = tmp_path / "small", tmp_path / "large"
    (root / "data").symlink_to(large)
    free = {large: 600.0, root: 100.0, root / ".dvc": 100.0}
    usage = type("Usage", (), {})
    monkeypatch.setattr(disk, "_device", lambda path: large in path.resolve().parents)
    monkeypatch.setattr(
        "shutil.disk_usage", lambda folder: (setattr(usage, "free", free[folder]), usage)[1]
    )
    steps = [
        Step("download", "", disk_bytes=500.0, there_bytes=100.0),
        Step("train", "", disk_bytes=30.0),
    ]

    data, results = disk.disks_of(steps, root, "demo", has_cache=True)

    assert (data.folders, data.needed_bytes, data.lacking_bytes) == (["data/demo"], 400, 0)
    assert results.folders == ["results/demo", ".dvc/cache"]
    # 30 of results; copies of 400 and 30.
    assert results.lacking_bytes == 30 + 430 - 100


@pytest.mark.parametrize(("free", "code"), [(1e6, 1), (1e16, 0)])
def test_small_disk_is_a_warning_or_with_check_an_error(tmp_path, monkeypatch, capsys, free, code):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    params = (ROOT / "params.yaml").read_text().replace("dataset: demo", "dataset: ava_kinetics")
    (tmp_path / "params.yaml").write_text(params)
    arguments = ["--params", str(tmp_path / "params.yaml"), "--root", str(tmp_path)]

    command.main(arguments)
    assert ("WARNING: the disk of data/ava_kinetics" in capsys.readouterr().out) is bool(code)
    if code:
        with pytest.raises(SystemExit, match="1"):
            command.main([*arguments, "--check"])
