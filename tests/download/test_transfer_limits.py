"""Bodies longer than they may be, of an announced length or of none."""

import shutil
from functools import partial

import pytest

from pipeline.core.disk_space import DiskFullError
from pipeline.download.http import RetryPolicy
from tests.download.fetching import CONTENT, WHOLE, fetch_with, reason_with
from tests.hostile_server import hostile_server

POLICY = RetryPolicy(timeout_seconds=1, attempts=2, first_wait_seconds=0.01)

fetch, reason = partial(fetch_with, POLICY), partial(reason_with, POLICY)


def without_length(handler, count):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + CONTENT)
    handler.close_connection = True


@pytest.fixture
def server():
    with hostile_server() as server:
        server.answers["/f"] = without_length
        yield server


def test_body_without_a_length_is_cut_at_the_limit(server, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.download.transfer.MAX_BYTES", len(CONTENT) - 1)

    assert reason(server, tmp_path / "f") == f"longer than {len(CONTENT) - 1} bytes"
    assert server.counts["/f"] == 1
    assert list(tmp_path.iterdir()) == []


def test_body_without_a_length_may_reach_the_limit(server, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.download.transfer.MAX_BYTES", len(CONTENT))

    assert fetch(server, tmp_path / "f") == WHOLE


def test_disk_is_looked_at_while_a_body_without_a_length_comes(server, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.download.transfer.CHECK_EVERY_BYTES", 1000)
    full = shutil.disk_usage(tmp_path)._replace(free=999)
    monkeypatch.setattr("pipeline.core.disk_space.shutil.disk_usage", lambda folder: full)

    with pytest.raises(DiskFullError, match=r"0\.001 MB needed"):
        fetch(server, tmp_path / "f")


def test_part_longer_than_announced_is_fetched_anew(server, tmp_path):
    def answer(handler, count):
        if count == 1:
            handler.reply(200, CONTENT[:5000], {"ETag": '"v1"'}, announced=len(CONTENT))
        elif "Range" in handler.headers:
            span = f"bytes 5000-{len(CONTENT) - 1}/6000"  # and more comes than these
            body = CONTENT[5000:]
            handler.reply(206, body, {"ETag": '"v1"', "Content-Range": span})
        else:
            handler.ranged(CONTENT, '"v1"')

    server.answers["/f"] = answer
    patient = RetryPolicy(timeout_seconds=1, attempts=3, first_wait_seconds=0.01)

    assert fetch_with(patient, server, tmp_path / "f") == WHOLE
    assert "Range" not in server.asked["/f"][2]
