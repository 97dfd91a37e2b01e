"""What is recorded in DVC, and where that cannot be."""

from pathlib import Path

import pytest

from pipeline.stages.record import record


def test_outside_a_repository_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)

    assert record(tmp_path) == "not recorded in DVC: this folder is not a git repository"


def test_inside_dvc_there_is_nothing_to_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))

    assert record(tmp_path) == "recorded by dvc repro"


def test_data_on_another_disk_is_said_and_no_error(tmp_path: Path) -> None:
    root = tmp_path / "project"
    for name in (".git", ".dvc", "data"):
        (root / name).mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    (root / "data/mine").symlink_to(tmp_path / "disk")

    said = record(root)

    assert said == (
        "not recorded in DVC, which cannot: data/mine leads out of this folder, "
        f"to {tmp_path / 'disk'}"
    )


def test_a_folder_with_braces_is_said_and_no_error(tmp_path: Path) -> None:
    root = tmp_path / "b{x}c"
    for name in (".git", ".dvc"):
        (root / name).mkdir(parents=True)

    assert "braces in the name of a folder" in record(root)


def test_what_dvc_says_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for name in (".git", ".dvc"):
        (tmp_path / name).mkdir()

    with pytest.raises(ValueError, match=r"dvc commit: exit code .*: ERROR: ."):
        record(tmp_path)
