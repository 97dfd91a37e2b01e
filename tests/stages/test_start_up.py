"""What commands load before they have read their flags, and what light jobs load at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.start_up import COMMANDS, MAY_NEED_TORCH, NEEDS_TORCH, empty_job, torch_in
from pipeline.settings.sections import STAGES

HEAVY = {"av", "cv2", "httpx", "matplotlib", "mlflow", "numpy", "pandas", "pyarrow", "pydantic"}
HEAVY |= {"ruamel.yaml", "tqdm", "torch", "yaml", "yt_dlp"}


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a Python command imports, in its child processes, too."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize("module", COMMANDS.values())
def test_help_loads_no_library(module: str) -> None:
    loaded = loaded_by("-m", module, "--help")

    assert "pipeline.core.command" in loaded
    assert loaded & HEAVY == set()


def test_a_job_without_work_loads_little(tmp_path: Path) -> None:
    loaded = loaded_by(*empty_job(tmp_path))

    assert "pipeline.video.cutting" in loaded
    assert loaded & HEAVY == {"av", "numpy"}


@pytest.mark.parametrize("stage", sorted(set(STAGES) - NEEDS_TORCH - MAY_NEED_TORCH))
def test_light_stages_reach_no_torch(stage: str) -> None:
    assert not torch_in(stage)


def test_reading_the_settings_loads_no_arrays() -> None:
    loaded = loaded_by("-c", "import pipeline.settings.params")

    assert loaded & HEAVY == {"pydantic", "ruamel.yaml"}
