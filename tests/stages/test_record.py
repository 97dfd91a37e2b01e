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
