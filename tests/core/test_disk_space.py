"""A disk without room is named before it is full, and nothing that came is lost."""

import errno
import shutil
from functools import partial

import pytest

from pipeline.core.disk_space import DiskFullError, disk_named, require_space
from pipeline.download.http import RetryPolicy
from tests.download.fetching import CONTENT, WHOLE, fetch_with, reason_with
from tests.hostile_server import hostile_server
from tests.small_archives import files, keep, tar_gz

PATIENCE = RetryPolicy(timeout_seconds=0.5, attempts=2, first_wait_seconds=0.01)
fetch, reason = partial(fetch_with, PATIENCE), partial(reason_with, PATIENCE)


@pytest.fixture
def free(monkeypatch):
    """Set the free bytes of every disk: one number, or one per look."""

    def set_free(*looks: int) -> None:
        left = list(looks)
        usage = type(shutil.disk_usage("/"))
        monkeypatch.setattr(
            "pipeline.core.disk_space.shutil.disk_usage",
            lambda folder: usage(0, 0, left.pop(0) if len(left) > 1 else left[0]),
        )

    return set_free


def test_room_that_is_there_is_enough(tmp_path, free):
    free(5)
    require_space(tmp_path, 5)

    with pytest.raises(DiskFullError, match="6e-06 MB needed, 5e-06 MB free; make room"):
        require_space(tmp_path, 6)


def test_file_that_will_not_fit_is_not_begun(tmp_path, free):
    free(len(CONTENT) - 1)
    with hostile_server() as server:
        server.answers["/f"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')

        with pytest.raises(DiskFullError, match=r"disk is full: 0\.102 MB needed"):
            fetch(server, tmp_path / "f")

    assert not (tmp_path / "f").exists()
    assert (tmp_path / "f.part").stat().st_size == 0


def test_disk_that_fills_up_meanwhile_ends_it_and_the_next_run_goes_on(tmp_path, free, monkeypatch):
    monkeypatch.setattr("pipeline.download.transfer.CHECK_EVERY_BYTES", 1000)
    free(len(CONTENT), 10)
    with hostile_server() as server:
        server.answers["/f"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')
        with pytest.raises(DiskFullError):
            fetch(server, tmp_path / "f")
        came = (tmp_path / "f.part").stat().st_size
        free(len(CONTENT))

        got = fetch(server, tmp_path / "f")

    assert got == WHOLE
    assert 1000 <= came < len(CONTENT)
    assert server.asked["/f"][1]["Range"] == f"bytes={came}-"


def test_announced_size_beyond_all_measure_ends_the_file_not_the_job(tmp_path):
    with hostile_server() as server:
        server.answers["/f"] = lambda handler, count: handler.reply(200, b"x", announced=1 << 60)

        assert reason(server, tmp_path / "f") == f"announced as more than {64 << 30} bytes"


def test_member_that_will_not_fit_is_not_begun(tmp_path, free):
    free(2000)

    with pytest.raises(DiskFullError):
        keep(tar_gz(("a.mp4", b"1" * 1000), ("b.mp4", b"2" * 3000)), {"a.mp4", "b.mp4"}, tmp_path)

    assert files(tmp_path) == {"a.mp4": b"1" * 1000}


def test_full_disk_is_named_once_and_other_errors_stay(tmp_path):
    with (
        pytest.raises(DiskFullError, match="no space left") as caught,
        disk_named(tmp_path / "outer"),
        disk_named(tmp_path / "inner"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), disk_named(tmp_path):
        raise PermissionError(errno.EACCES, "not yours")

    assert caught.value.filename == str(tmp_path / "inner")
