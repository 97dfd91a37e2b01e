"""A downloaded file is whole only when its size is the announced one and one transfer wrote it."""

import os
import threading
import time
import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from pipeline.core import locks
from pipeline.core.locks import HeldError, held_folder
from pipeline.download.http import RetryPolicy
from tests.download.fetching import CONTENT, WHOLE, fetch_with, reason_with
from tests.download_world import World
from tests.hostile_server import hostile_server

POLICY = RetryPolicy(timeout_seconds=5, attempts=2, first_wait_seconds=0.01)

fetch, reason = partial(fetch_with, POLICY), partial(reason_with, POLICY)


@pytest.fixture
def server():
    with hostile_server() as server:
        yield server


def test_of_two_transfers_of_one_target_the_second_is_refused(server, tmp_path):
    begun, go_on = threading.Event(), threading.Event()

    def answer(handler, count):
        if count == 1:
            begun.set()
            go_on.wait(10)
        handler.ranged(CONTENT, '"v1"')

    server.answers["/f"] = answer
    got = []
    first = threading.Thread(target=lambda: got.append(fetch(server, tmp_path / "f")))
    first.start()
    begun.wait(10)

    refused = reason(server, tmp_path / "f")

    go_on.set()
    first.join()
    assert refused == "another transfer is writing the same file"
    assert got == [WHOLE]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_what_another_program_wrote_into_a_file_is_not_published(server, tmp_path):
    half = len(CONTENT) // 2

    def answer(handler, count):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:half])
        while not (tmp_path / "f.part").stat().st_size:
            time.sleep(0.01)
        with (tmp_path / "f.part").open("ab") as other:
            other.write(b"of another writer" * 1000)
        handler.wfile.write(CONTENT[half:])

    server.answers["/f"] = answer

    assert reason(server, tmp_path / "f") == "another program wrote to the file while it came"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_part_that_is_no_file_is_a_reason(server, tmp_path, kind):
    server.answers["/f"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')
    if kind == "pipe":
        os.mkfifo(tmp_path / "f.part")
    else:
        (tmp_path / "f.part").symlink_to("/dev/zero")

    found = {"pipe": "a pipe", "device": "a link"}[kind]
    assert reason(server, tmp_path / "f") == f"f.part: found {found}, expected a regular file"


def test_a_link_as_part_leads_nowhere(server, tmp_path):
    (tmp_path / "outside").write_text("precious")
    (tmp_path / "f.part").symlink_to(tmp_path / "outside")
    server.answers["/f"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')

    reason(server, tmp_path / "f")

    assert (tmp_path / "outside").read_text() == "precious"


def test_the_endless_page_of_a_redirect_is_not_read(server, tmp_path):
    def answer(handler, count):
        handler.send_response(302)
        handler.send_header("Location", f"{server.base}/there")
        handler.end_headers()
        handler.close_connection = True
        sent = 0
        while sent < 1 << 30:  # until the reader hangs up
            sent += handler.wfile.write(bytes(1 << 20))

    server.answers["/f"] = answer
    server.answers["/there"] = lambda handler, count: handler.ranged(CONTENT, '"v1"')
    tracemalloc.start()

    got = fetch(server, tmp_path / "f")

    assert got == WHOLE
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_a_second_download_of_one_job_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.1)
    world = World(tmp_path)
    world.want("a")
    world.publish("a.mp4")

    with held_folder(world.out / ".00.partial"), pytest.raises(HeldError, match=r"\.00\.partial"):
        world.download()

    world.download()
    assert world.rows["a"]["status"] == "ok"


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_local_video_that_is_no_file_is_a_row_with_a_reason(tmp_path, kind):
    world = World(tmp_path)
    world.want("a")
    (tmp_path / "videos").mkdir()
    path = tmp_path / "videos/a.mp4"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    world.sources.append({"kind": "folder", "path": str(tmp_path / "videos")})

    world.download()

    row = world.rows["a"]
    assert row["status"] == "missing"
    assert f"found a {kind}, expected a regular file" in row["reason"]


PASSWORD = "s3cret-pa55word"


@pytest.mark.parametrize("kind", ["files", "archives"])
def test_a_password_in_an_address_is_used_and_written_nowhere(tmp_path, server, caplog, kind):
    world, asked = World(tmp_path), []
    world.want("a", "b")
    if kind == "files":
        world.publish("a.mp4", url=server.base.replace("//", f"//user:{PASSWORD}@"))
        content, path = (world.mirror / "a.mp4").read_bytes(), "/a.mp4"
    else:
        world.publish_archives(["a.mp4"])
        content, path = (world.mirror / "0.tar.gz").read_bytes(), "/0.tar.gz"
        address = server.base.replace("//", f"//user:{PASSWORD}@")
        (world.raw / "paths.txt").write_text(f"{address}{path}\n")

    def answer(handler, count):
        asked.append(handler.headers.get("Authorization"))
        handler.ranged(content, '"v1"')

    server.answers[path] = answer

    world.download()

    assert world.rows["a"]["status"] == "ok"
    assert asked
    assert all(each.startswith("Basic ") for each in asked)
    written = [*world.out.rglob("*"), world.lock]
    holding = [
        each for each in written if each.is_file() and PASSWORD.encode() in each.read_bytes()
    ]
    assert holding == []
    assert server.base in world.lock.read_text()
    assert PASSWORD not in caplog.text


def notes_of(world: World) -> Path:
    return world.out / ".00.partial/journal.jsonl"


ODD_NOTES = [
    b'{"clip":"a","path":"single/a.mp4","bytes":1,"sha256":"0","source":"s","new":1}',
    b"[]",
    b"7",
    b"null",
    b'{"archive": 3}',
    b'{"clip": "a", "path": "../../../etc/passwd", "bytes": 1, "sha256": "%s", "source": "s"}'
    % (b"0" * 64),
    b"[" * 100_000,
    b"\xff\xfe",
    b'{"clip": "a", "refused_by": "y", "reason": ["x"]}',
]


@pytest.mark.parametrize("line", ODD_NOTES, ids=range(len(ODD_NOTES)))
def test_notes_of_another_shape_are_left_out_with_one_warning(tmp_path, caplog, line):
    world = World(tmp_path)
    world.want("a")
    world.publish("a.mp4")
    notes_of(world).parent.mkdir(parents=True)
    notes_of(world).write_bytes(line + b"\n" + line + b"\n")

    world.download()

    assert world.rows["a"]["status"] == "ok"
    warnings = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "journal.jsonl: left out 2 lines" in warnings[0]
    caplog.clear()
    world.download()  # the journal is clean now
    assert caplog.records == []


def test_the_line_of_a_killed_job_is_dropped_without_a_word(tmp_path, caplog):
    world = World(tmp_path)
    world.want("a")
    world.publish("a.mp4")
    notes_of(world).parent.mkdir(parents=True)
    notes_of(world).write_bytes(b'{"clip": "a", "pa')

    world.download()

    assert world.rows["a"]["status"] == "ok"
    assert caplog.records == []
