"""Headers that never end count as a stall, whatever is sent meanwhile."""

import socket
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Thread

import pytest

from pipeline.download.http import RetryPolicy, open_client
from pipeline.download.transfer import transfer
from tests.download.fetching import CONTENT, WHOLE, fetch_with, reason_with
from tests.hostile_server import hostile_server

POLICY = RetryPolicy(timeout_seconds=0.5, attempts=2, first_wait_seconds=0.01)
PIECES = 60  # sent one every 0.1 s: far beyond the deadline

fetch, reason = partial(fetch_with, POLICY), partial(reason_with, POLICY)


def in_pieces(*pieces: bytes):
    def answer(handler, count):
        for piece in pieces:
            handler.wfile.write(piece)
            time.sleep(0.1)
        handler.ranged(CONTENT, '"v1"')

    return answer


ENDLESS = {
    "a header byte by byte": in_pieces(*[b"%c" % byte for byte in b"HTTP/1.1 200".ljust(PIECES)]),
    "100": in_pieces(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * PIECES),
    "103": in_pieces(*[b"HTTP/1.1 103 Early Hints\r\n\r\n"] * PIECES),
    "a redirect's page": in_pieces(
        b"HTTP/1.1 302 Found\r\nLocation: /g\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * PIECES
    ),
}


@pytest.fixture
def server():
    with hostile_server() as server:
        server.answers["/g"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')
        yield server


@pytest.mark.parametrize("kind", ENDLESS)
def test_headers_without_end_are_asked_for_again_and_then_reported(server, tmp_path, kind):
    server.answers["/f"] = ENDLESS[kind]

    assert reason(server, tmp_path / "f") == "stalled"
    assert server.counts["/f"] == POLICY.attempts


def test_body_may_take_longer_than_the_headers(server, tmp_path):
    def answer(handler, count):
        handler.reply(200, b"", announced=len(CONTENT))
        for start in range(0, len(CONTENT), 10_240):
            handler.wfile.write(CONTENT[start : start + 10_240])
            time.sleep(0.2)  # 2 s in all

    server.answers["/f"] = answer

    assert fetch(server, tmp_path / "f") == WHOLE


def test_deadline_holds_through_a_proxy(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.base)
    server.answers["http://mirror.example/f"] = ENDLESS["103"]

    with open_client(POLICY) as client, pytest.raises(ValueError, match="stalled"):
        transfer(client, "http://mirror.example/f", tmp_path / "f", POLICY)


def test_deadline_holds_for_a_handshake_of_one_byte_at_a_time(tmp_path):
    # A record of a handshake, announced as 8 kB.
    record = bytes([22, 3, 3, 0x20, 0, 2]) + bytes(PIECES)
    with socket.create_server(("127.0.0.1", 0)) as listening, open_client(POLICY) as client:
        Thread(target=drip, args=(listening, record), daemon=True).start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/f"
        started = time.monotonic()

        with pytest.raises(ValueError, match="no connection in time"):
            transfer(client, url, tmp_path / "f", replace(POLICY, attempts=1))

        assert time.monotonic() - started < 0.1 * PIECES / 2


def drip(listening: socket.socket, content: bytes) -> None:
    connection, _ = listening.accept()
    with connection, suppress(OSError):
        for byte in content:
            connection.send(bytes([byte]))
            time.sleep(0.1)
