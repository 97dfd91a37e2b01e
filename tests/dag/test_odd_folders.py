"""The project builds wherever it lies: odd names, data behind a link, a cautious Python."""

import base64
import os
from pathlib import Path

import pytest

from tests.dag.project import Project

pytestmark = pytest.mark.dag


def test_below_braces_and_percent_with_data_behind_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    project = Project(tmp_path / "b{x}c 100%")
    disk = tmp_path / "disk"
    disk.mkdir()
    (project.folder / "data").mkdir()
    (project.folder / "data/demo").symlink_to(disk)

    project.run("python", "-m", "snakemake", "--cores", "2", "data/demo/clips.csv")
    printed = project.run("python", "-m", "snakemake", "--cores", "2", "data/demo/clips.csv")

    assert "Nothing to be done" in printed
    assert (disk / "clips.csv").is_file()


def test_passwords_of_addresses_are_not_in_snakemakes_records(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")

    def with_password(params: dict[str, object]) -> None:
        file = params["datasets"]["demo"]["annotation_files"][0]  # type: ignore[index]
        file["url"] = file["url"].replace("{mirror}", "http://user:pa55word@127.0.0.1:9")

    project.edit_params(with_password)
    process = project.start("snakemake", "--cores", "2", "data/demo/annotations/raw")
    printed, _ = process.communicate(timeout=120)

    assert process.returncode != 0  # nobody listens there
    assert "cannot connect" in printed
    assert "pa55word" not in printed
    for folder, _, names in os.walk(project.folder):
        for name in names:
            path = Path(folder, name)
            ours = path == project.folder / "params.yaml" or "tests" in path.parts
            if not ours and ".git" not in path.parts:
                content = path.read_bytes()
                assert b"pa55word" not in content, path
                assert base64.b64encode(b"pa55word")[:-3] not in content, path
