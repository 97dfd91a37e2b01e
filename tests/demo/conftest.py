"""A tiny synthetic dataset, drawn once for all tests of this folder."""

from pathlib import Path

import pytest

from pipeline.demo.mirror import draw_mirror
from pipeline.settings.sections import DrawWorld

TINY = DrawWorld(
    seed=700,
    ava_train_videos=3,
    ava_val_videos=2,
    ava_seconds=4,
    kinetics_train_clips=8,
    kinetics_val_clips=3,
    kinetics_seconds=3,
)


@pytest.fixture(scope="session")
def tiny_section() -> DrawWorld:
    return TINY


@pytest.fixture(scope="session")
def tiny_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    draw_mirror(TINY, folder)
    return folder
