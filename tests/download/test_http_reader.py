import random
import time
from email.utils import formatdate
from functools import partial

import pytest

from pipeline.download.answers import TransferError
from pipeline.download.http import RetryPolicy, open_client
from pipeline.download.transfer import Attempts, transfer
from pipeline.download.youtube_refusals import may_come_later
from tests.download.fetching import CONTENT, WHOLE, fetch_with, reason_with
from tests.hostile_server import broken_once, hostile_server

POLICY = RetryPolicy(timeout_seconds=0.3, attempts=2, first_wait_seconds=0.01)


fetch, reason = partial(fetch_with, POLICY), partial(reason_with, POLICY)


@pytest.fixture
def server():
    with hostile_server() as server:
        yield server


@pytest.mark.parametrize("status", [401, 403, 404, 410, 451])
def test_permanent_refusal_is_not_asked_again(server, tmp_path, status):
    server.answers["/f"] = lambda handler, count: handler.reply(status)

    assert reason(server, tmp_path / "f") == f"HTTP {status}"
    assert server.counts["/f"] == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_asked_again(server, tmp_path, status):
    def answer(handler, count):
        handler.reply(status) if count == 1 else handler.ranged(CONTENT, '"v1"')

    server.answers["/f"] = answer

    assert fetch(server, tmp_path / "f") == WHOLE


def test_lasting_trouble_is_given_up_after_the_attempts(server, tmp_path):
    server.answers["/f"] = lambda handler, count: handler.reply(503)

    assert reason(server, tmp_path / "f") == "HTTP 503"
    assert server.counts["/f"] == POLICY.attempts


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7),
        (lambda: formatdate(time.time() + 8, usegmt=True), 7.5),  # dates have whole seconds
        ("120", 120),
        ("soon", 0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", 0),
        ("9" * 5000, 0),
    ],
)
def test_retry_after_is_honoured_within_bounds(server, tmp_path, monkeypatch, asked, seconds):
    def answer(handler, count):
        headers = {"Retry-After": asked if isinstance(asked, str) else asked()}
        handler.reply(503, b"", headers) if count == 1 else handler.ranged(CONTENT, '"v1"')

    server.answers["/f"] = answer
    waits: list[float] = []
    monkeypatch.setattr("pipeline.download.transfer.time.sleep", waits.append)

    assert fetch(server, tmp_path / "f") == WHOLE
    assert waits == [pytest.approx(seconds, abs=0.6)]


@pytest.mark.parametrize("attempts", [1, 2])
def test_server_that_asks_for_more_time_than_a_job_has_is_left_to_a_later_run(
    server, tmp_path, attempts
):
    server.answers["/f"] = lambda handler, count: handler.reply(503, b"", {"Retry-After": "3600"})

    said = reason_with(RetryPolicy(1, attempts), server, tmp_path / "f")

    assert said == "try later: HTTP 503, asked to wait 3600 seconds"
    assert may_come_later(said)
    assert server.counts["/f"] == 1


def waits_of(failures: int, monkeypatch, **policy: float) -> list[float]:
    """Seconds waited after each of so many failures in a row."""
    waits: list[float] = []
    monkeypatch.setattr("pipeline.download.transfer.time.sleep", waits.append)
    attempts = Attempts(RetryPolicy(timeout_seconds=1, attempts=failures + 1, **policy))
    for _ in range(failures):
        attempts.after(TransferError("HTTP 503"), 0)
    return waits


def test_bound_of_the_waits_doubles_up_to_the_longest(monkeypatch):
    bounds: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    monkeypatch.setattr("pipeline.download.transfer.random.uniform", draw)

    waits = waits_of(6, monkeypatch, first_wait_seconds=2.0, longest_wait_seconds=20.0)

    assert waits == [2.0, 4.0, 8.0, 16.0, 20.0, 20.0]
    assert {low for low, _ in bounds} == {0}


def test_waits_are_drawn_anew_between_nothing_and_their_bound(monkeypatch):
    random.seed(7)

    runs = [waits_of(4, monkeypatch, first_wait_seconds=1.0) for _ in range(200)]

    for number, bound in enumerate([1.0, 2.0, 4.0, 8.0]):
        waits = [run[number] for run in runs]
        assert all(0 < each <= bound for each in waits)
        assert len(set(waits)) == len(runs)  # jobs that failed together come back apart
        assert min(waits) < 0.1 * bound
        assert max(waits) > 0.9 * bound


def test_silence_counts_as_a_stall(server, tmp_path):
    def answer(handler, count):
        handler.reply(200, CONTENT[:1000], {"ETag": '"v1"'}, announced=len(CONTENT))
        handler.wfile.flush()
        time.sleep(POLICY.timeout_seconds * 2)

    server.answers["/f"] = answer

    assert reason(server, tmp_path / "f") == "stalled"


def test_drip_counts_as_a_stall(server, tmp_path):
    def answer(handler, count):
        handler.reply(200, b"", {"ETag": '"v1"'}, announced=len(CONTENT))
        for byte in CONTENT[:8]:
            handler.wfile.write(bytes([byte]))
            time.sleep(POLICY.timeout_seconds / 5)

    server.answers["/f"] = answer

    assert reason(server, tmp_path / "f") == "stalled"


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"sorry", "text/html; charset=utf-8"), (b"\n<!DOCTYPE html><p>sorry", "video/mp4")],
)
def test_html_page_is_no_file(server, tmp_path, body, kind):
    server.answers["/f"] = lambda handler, count: handler.reply(200, body, {"Content-Type": kind})

    assert reason(server, tmp_path / "f") == "an HTML page instead of the file"


def test_encoding_that_nobody_asked_for_is_refused(server, tmp_path):
    server.answers["/f"] = lambda handler, count: handler.reply(
        200, b"\x1f\x8b", {"Content-Encoding": "gzip"}
    )

    assert reason(server, tmp_path / "f") == "content encoding gzip, not asked for"


def test_redirect_to_the_web_is_followed(server, tmp_path):
    server.answers["/f"] = lambda handler, count: handler.reply(302, b"", {"Location": "/moved"})
    server.answers["/moved"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')

    assert fetch(server, tmp_path / "f") == WHOLE


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("file:///etc/passwd", "redirect to file:"),
        ("ftp://127.0.0.1/f", "redirect to ftp:"),
        ("/f", "too many redirects"),
        ("http://.../", "redirect to no address"),
        (f"http://{'a' * 300}/", "redirect to no address"),
        ("http://xn--/", "redirect to no address"),
    ],
)
def test_redirect_to_elsewhere_is_refused(server, tmp_path, location, expected):
    server.answers["/f"] = lambda handler, count: handler.reply(302, b"", {"Location": location})

    assert reason(server, tmp_path / "f") == expected


@pytest.mark.parametrize("host", ["...", "a" * 300, "xn--"])
def test_host_that_cannot_be_looked_up_is_named(tmp_path, host):
    with open_client(POLICY) as client, pytest.raises(TransferError, match="not an HTTP address"):
        transfer(client, f"http://{host}/f", tmp_path / "f", POLICY)


def test_range_of_a_size_of_5000_digits_starts_over(server, tmp_path):
    def answer(handler, count):
        if count == 2:
            span = f"bytes 1000-{len(CONTENT) - 1}/{'9' * 5000}"
            handler.reply(206, CONTENT[1000:], {"ETag": '"v1"', "Content-Range": span})
        else:
            broken_once(CONTENT, after=1000)(handler, count)

    server.answers["/f"] = answer
    patient = RetryPolicy(POLICY.timeout_seconds, attempts=3, first_wait_seconds=0.01)

    assert fetch_with(patient, server, tmp_path / "f") == WHOLE


def test_length_of_20_digits_is_refused(server, tmp_path):
    server.answers["/f"] = lambda handler, count: handler.reply(200, b"x", announced=10**19)

    assert reason(server, tmp_path / "f") == "announced by a number of 20 digits"


def test_dead_server_is_named(tmp_path):
    with hostile_server() as server:
        pass

    assert reason(server, tmp_path / "f").startswith("cannot connect")


def test_proxy_of_the_environment_is_not_asked_for_loopback(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.answers["/f"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')

    assert fetch(server, tmp_path / "f") == WHOLE


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("socks5://me:secret@127.0.0.1:1", "found a socks5 proxy, expected http or https"),
        ("ftp://127.0.0.1:1", "found a ftp proxy, expected http or https"),
        ("http://127.0.0.1:no", "found no proxy's address, expected http://host:port"),
    ],
)
def test_proxy_that_cannot_be_used_is_named(monkeypatch, proxy, expected):
    monkeypatch.setenv("ALL_PROXY", proxy)

    with pytest.raises(ValueError, match=r"^ALL_PROXY: ") as caught, open_client(POLICY):
        pass

    assert expected in str(caught.value)
    assert "secret" not in str(caught.value)
    assert ("unset ALL_PROXY" in str(caught.value)) is not proxy.startswith("http:")


def test_proxy_of_the_environment_is_asked_for_the_web(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.base)
    server.answers["http://mirror.example/f"] = lambda handler, count: handler.reply(200, b"by it")

    with open_client(POLICY) as client:
        got = transfer(client, "http://mirror.example/f", tmp_path / "f", POLICY)

    assert got.bytes == 5
