"""Local files that is not available without a second copy."""

import errno
import os
import shutil

import pytest

from pipeline.core.atomic import link_or_copy
from pipeline.core.disk_space import DiskFullError


def other_disk(*args: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


@pytest.fixture
def video(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x" * 5_000_000)
    monkeypatch.setattr("os.link", other_disk)
    return path


def test_copy_that_will_not_fit_is_not_begun(tmp_path, monkeypatch, video):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=4_000_000))

    with pytest.raises(DiskFullError, match="disk is full: 5 MB needed, 4 MB free; make room"):
        link_or_copy(video, tmp_path / "b.mp4")

    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_file_of_another_disk_is_copied(tmp_path, video):
    link_or_copy(video, tmp_path / "b.mp4")

    assert (tmp_path / "b.mp4").read_bytes() == video.read_bytes()
    assert not (tmp_path / "b.mp4").samefile(video)
