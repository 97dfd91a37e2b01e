"""What tests share: where the external acceptance data lies, when it is there."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONG = {"dag": 0, "stages": 1}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: workers take files in this order, and none should start one at the end."""
    items.sort(key=lambda item: LONG.get(item.path.parent.name, len(LONG)))


@pytest.fixture(scope="session", autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs that tests record in MLflow go to a store of this session."""
    with pytest.MonkeyPatch.context() as patch:
        store = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
        yield


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
