"""The folders that Snakemake and DVC watch, and the digest of what code does."""

from pathlib import Path

import pytest

from pipeline.core import source_code
from pipeline.core.source_code import code_digest, code_versions, watched
from pipeline.settings.sections import STAGES
from tests.conftest import ROOT
from tests.import_graph import reachable, source_of

WATCHED_AS_VALUES = {"pipeline/core", "pipeline/settings"}
# A pinned hash decides what these bring; see `pipeline/core/source_code.py`.
DOWNLOADING = {"pipeline/download", "pipeline/sources"}
FETCHING = {"pretrain": DOWNLOADING, "detect_people": DOWNLOADING}
MIRROR = "pipeline.demo.mirror_server"


def folders_of(stage: str) -> set[str]:
    """Folders below `pipeline` of all that a stage imports, but for loose modules and stages."""
    files = [source_of(module) for module in reachable(f"pipeline.stages.{stage}") - {MIRROR}]
    folders = {str(path.parent.relative_to(ROOT)) for path in files}
    return folders - WATCHED_AS_VALUES - {"pipeline", "pipeline/stages"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_watches_the_folders_that_it_imports_from(stage: str) -> None:
    module = f"pipeline/stages/{stage}.py"

    assert set(watched(stage)) == {module, *folders_of(stage)} - FETCHING.get(stage, set())


@pytest.mark.parametrize("stage", STAGES)
def test_snakemake_watches_what_dvc_watches(stage: str) -> None:
    found = [each.partition(" ")[0] for each in code_versions(stage)]

    assert all(path.startswith(watched(stage)) for path in found)
    assert all(any(path.startswith(each) for path in found) for each in watched(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another(stage: str) -> None:
    stages = {name for name in reachable(f"pipeline.stages.{stage}") if ".stages." in name}

    assert stages == {f"pipeline.stages.{stage}"}


def test_versions_name_files_and_no_compiled_ones() -> None:
    files = [each.partition(" ")[0] for each in code_versions("train")]

    assert "pipeline/models/slow_only.py" in files
    assert all((ROOT / path).is_file() for path in files)
    assert not [path for path in files if path.endswith(".pyc")]


@pytest.fixture
def one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose stage `train` is a single file."""
    (tmp_path / "pipeline/stages").mkdir(parents=True)
    monkeypatch.setattr(source_code, "ROOT", tmp_path)
    monkeypatch.setattr(source_code, "watched", lambda stage: (f"pipeline/stages/{stage}.py",))
    return tmp_path / "pipeline/stages/train.py"


PLAIN = "def rate(step):\n    return 0.1 * step\n"


@pytest.mark.parametrize(
    ("text", "equal"),
    [
        (
            '"""Rates."""\n\n\ndef rate(step):\n    """One."""\n    return 0.1 * step  # linear\n',
            True,
        ),
        ("def rate(step):\n    return (0.1\n        * step)\n", True),
        ("def rate(step):\n    return 0.2 * step\n", False),
        ("def rate(steps):\n    return 0.1 * steps\n", False),
    ],
)
def test_comments_docstrings_and_layout_leave_the_digest(
    one_file: Path, text: str, equal: bool
) -> None:
    one_file.write_text(PLAIN)
    before = code_digest("train")

    one_file.write_text(text)
    source_code._digest.cache_clear()

    assert (code_digest("train") == before) is equal
