import hashlib
from email.utils import formatdate
from functools import partial

import pytest

from pipeline.download.http import RetryPolicy, open_client
from pipeline.download.transfer import transfer
from tests.download.fetching import CONTENT, SHA256, WHOLE, fetch_with, reason_with
from tests.hostile_server import broken_once, hostile_server

POLICY = RetryPolicy(timeout_seconds=0.3, attempts=3, first_wait_seconds=0.01)


fetch, reason = partial(fetch_with, POLICY), partial(reason_with, POLICY)


@pytest.fixture
def server():
    with hostile_server() as server:
        yield server


def test_file_arrives_whole_and_alone(server, tmp_path):
    server.answers["/f"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')

    got = fetch(server, tmp_path / "f.mp4", sha256=SHA256)

    assert got == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == ["f.mp4"]
    assert (tmp_path / "f.mp4").read_bytes() == CONTENT


def test_broken_connection_is_continued_not_repeated(server, tmp_path):
    server.answers["/f"] = broken_once(CONTENT, after=60_000)

    got = fetch(server, tmp_path / "f")

    assert got == WHOLE
    again = server.asked["/f"][1]
    assert (again["Range"], again["If-Range"]) == ("bytes=60000-", '"v1"')


def test_part_of_an_earlier_run_is_continued(server, tmp_path):
    def answer(handler, count):
        if count <= POLICY.attempts:
            handler.reply(200, CONTENT[:1000], {"ETag": '"v1"'}, announced=len(CONTENT))
        else:
            handler.ranged(CONTENT, '"v1"')

    server.answers["/f"] = answer
    assert reason(server, tmp_path / "f") == "connection broke off"

    assert fetch(server, tmp_path / "f") == WHOLE
    assert server.asked["/f"][-1]["Range"] == "bytes=1000-"


def test_date_serves_as_validator_where_the_etag_is_weak(server, tmp_path):
    date = formatdate(0, usegmt=True)

    def answer(handler, count):
        headers = {"ETag": 'W/"v1"', "Last-Modified": date}
        handler.reply(200, CONTENT[:500] if count == 1 else CONTENT, headers, len(CONTENT))

    server.answers["/f"] = answer

    assert fetch(server, tmp_path / "f") == WHOLE
    assert server.asked["/f"][1]["If-Range"] == date


def test_server_that_ignores_the_range_starts_over(server, tmp_path):
    def answer(handler, count):
        size = 70_000 if count == 1 else len(CONTENT)
        handler.reply(200, CONTENT[:size], {"ETag": '"v1"'}, announced=len(CONTENT))

    server.answers["/f"] = answer

    assert fetch(server, tmp_path / "f") == WHOLE


@pytest.mark.parametrize("honest", [True, False], ids=["honours If-Range", "ignores If-Range"])
def test_file_that_changes_in_between_is_never_mixed(server, tmp_path, honest):
    changed = CONTENT[::-1]

    def answer(handler, count):
        if count == 1:
            handler.reply(200, CONTENT[:60_000], {"ETag": '"v1"'}, announced=len(CONTENT))
            return
        if not honest:
            del handler.headers["If-Range"]
        handler.ranged(changed, '"v2"')

    server.answers["/f"] = answer

    fetch(server, tmp_path / "f")

    assert (tmp_path / "f").read_bytes() == changed


def test_range_from_elsewhere_is_not_appended(server, tmp_path):
    def answer(handler, count):
        if count == 2:
            span = f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}"
            handler.reply(206, CONTENT[7:], {"ETag": '"v1"', "Content-Range": span})
        else:
            broken_once(CONTENT, after=10)(handler, count)

    server.answers["/f"] = answer

    assert fetch(server, tmp_path / "f") == WHOLE


def test_refused_range_starts_over(server, tmp_path):
    (tmp_path / "f.part").write_bytes(CONTENT + b"too long")
    note = f'{{"identity": "{server.base}/f", "validator": "\\"v1\\"", "total": null}}'
    (tmp_path / "f.part.json").write_text(note)

    def answer(handler, count):
        handler.reply(416) if "Range" in handler.headers else handler.ranged(CONTENT, '"v1"')

    server.answers["/f"] = answer

    assert fetch(server, tmp_path / "f") == WHOLE


def test_complete_part_needs_no_request(server, tmp_path):
    (tmp_path / "f.part").write_bytes(CONTENT)
    note = f'{{"identity": "{server.base}/f", "validator": "\\"v1\\"", "total": {len(CONTENT)}}}'
    (tmp_path / "f.part.json").write_text(note)

    assert fetch(server, tmp_path / "f") == WHOLE
    assert server.counts["/f"] == 0


def test_part_of_another_address_is_not_continued(server, tmp_path):
    (tmp_path / "f.part").write_bytes(b"something else")
    note = '{"identity": "http://other/f", "validator": "\\"v1\\"", "total": 100}'
    (tmp_path / "f.part.json").write_text(note)
    server.answers["/f"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')

    assert fetch(server, tmp_path / "f") == WHOLE
    assert "Range" not in server.asked["/f"][0]


def test_wrong_hash_names_both(server, tmp_path):
    server.answers["/f"] = lambda handler, count: handler.ranged(b"other", '"v1"')
    other = hashlib.sha256(b"other").hexdigest()

    found = reason(server, tmp_path / "f", sha256=SHA256)

    assert found == f"sha256 {other} instead of {SHA256}"
    assert list(tmp_path.iterdir()) == []


def test_pieces_that_do_not_fit_are_fetched_anew_in_one(server, tmp_path):
    def answer(handler, count):
        content = b"x" * len(CONTENT) if count == 1 else CONTENT  # same validator, other bytes
        broken_once(content, after=50_000)(handler, count)

    server.answers["/f"] = answer

    assert fetch(server, tmp_path / "f", sha256=SHA256) == WHOLE


def test_empty_body_is_no_file(server, tmp_path):
    server.answers["/f"] = lambda handler, count: handler.reply(200)

    assert reason(server, tmp_path / "f") == "empty file"


def test_full_disk_ends_the_job_and_keeps_what_came(server, tmp_path, monkeypatch):
    server.answers["/f"] = broken_once(CONTENT, after=60_000)

    def received(size: int) -> None:
        raise OSError(28, "No space left on device")

    with open_client(POLICY) as client, pytest.raises(OSError, match="disk is full"):
        transfer(client, f"{server.base}/f", tmp_path / "f", POLICY, on_received=received)

    assert fetch(server, tmp_path / "f") == WHOLE
