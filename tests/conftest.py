"""What tests share: where the external acceptance data lies, when it is there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def external() -> Callable[[str], Path]:
    """Path of external test data by name ("clips/people"); skips the test when it is absent.

    The folder is `AVA_REFERENCE_DIR`, or `shared` beside the repository.
    """
    folder = Path(os.environ.get("AVA_REFERENCE_DIR", ROOT.parent / "shared"))

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(f"{name} is not below {folder}; set AVA_REFERENCE_DIR to have it")
        return path

    return find
