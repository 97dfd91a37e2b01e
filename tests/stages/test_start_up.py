"""What a stage loads before it has read its flags."""

import subprocess
import sys

import pytest

from pipeline.sections import STAGES

HEAVY = {"av", "cv2", "httpx", "matplotlib", "numpy", "pandas", "pyarrow", "pydantic", "torch"}


@pytest.mark.parametrize("stage", STAGES)
def test_help_loads_no_library(stage: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", f"pipeline.stages.{stage}", "--help"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pipeline.command" in loaded
    assert loaded & HEAVY == set()
