"""An archive of 2,000 clips of which 300 are wanted; those of a killed job are kept."""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.download_world import World, arguments, params_file
from tests.hostile_server import Handler, Hostile, hostile_server

NUM_CLIPS, NUM_WANTED, CLIP_BYTES = 2000, 300, 20_000
PIECE_BYTES = 1 << 16


def clip(number: int) -> bytes:
    """Half of it packs well, as in videos hardly anything does."""
    noise = random.Random(number).randbytes(CLIP_BYTES // 2)
    return noise + hashlib.sha256(noise).hexdigest().encode() * (CLIP_BYTES // 128)


CLIPS = {f"{number:04d}.mp4": clip(number) for number in range(NUM_CLIPS)}
WANTED = sorted(random.Random(0).sample(sorted(CLIPS), NUM_WANTED))


@pytest.fixture(scope="module")
def archives() -> dict[str, bytes]:
    made = {}
    for name, mode in (("a.tar.gz", "w:gz"), ("a.tar", "w:")):
        packed = io.BytesIO()
        options = {"compresslevel": 1} if mode == "w:gz" else {}
        with tarfile.open(fileobj=packed, mode=mode, **options) as archive:
            for member, content in CLIPS.items():
                info = tarfile.TarInfo(f"k700/{member}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        made[name] = packed.getvalue()
    return made


class Counted:
    """Serves an archive in pieces, counts what is sent, and stops at a byte while told to."""

    def __init__(self, content: bytes, stop_at: int | None = None) -> None:
        self.content, self.stop_at = content, stop_at
        self.sent, self.starts = 0, []
        self.stopped = threading.Event()

    def __call__(self, handler: Handler, count: int) -> None:
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.starts.append(start)
        size = len(self.content)
        handler.send_response(206 if asked else 200)
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        handler.send_header("ETag", '"v1"')
        handler.send_header("Content-Length", str(size - start))
        handler.end_headers()
        for place in range(start, size, PIECE_BYTES):
            if self.stop_at is not None and place >= self.stop_at:
                self.stopped.set()
                time.sleep(60)
            handler.wfile.write(self.content[place : place + PIECE_BYTES])
            self.sent += min(PIECE_BYTES, size - place)


def world_of(folder: Path, server: Hostile, name: str) -> World:
    world = World(folder)
    (world.raw / "paths.txt").write_text(f"{server.base}/{name}\n")
    world.sources.append({"kind": "archives", "list": "paths.txt"})
    world.want(*[Path(name).stem for name in WANTED], shard="")
    return world


def bytes_on_disk(folder: Path) -> int:
    """Of every file once, whatever its names."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # it has another name by now
                status = os.lstat(Path(place, name))
                found[status.st_ino] = status.st_size
    return sum(found.values())


@contextmanager
def watched(folder: Path) -> Iterator[list[int]]:
    """How many bytes lie below a folder, again and again while the block runs."""
    seen, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            seen.append(bytes_on_disk(folder))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def wait_until_dealt_with(output: Path) -> None:
    """What was sent is: for half a second there is no new clip, and each is in the journal."""
    before = -1
    while (found := len(list(output.rglob("archive-*/*.mp4")))) != before or found != num_noted(
        output
    ):
        before = found
        time.sleep(0.5)


def num_noted(output: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in output.rglob("journal.jsonl"))


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar"])
def test_clips_of_a_killed_job_stay(tmp_path, archives, name):
    content = archives[name]
    with hostile_server() as server, watched(tmp_path / "out") as disk:
        world = world_of(tmp_path, server, name)
        assert world.out == tmp_path / "out"
        command = [sys.executable, "-m", "pipeline.stages.download"]
        command += arguments(world, params_file(world))
        first = Counted(content, stop_at=int(len(content) * 0.6))
        server.answers[f"/{name}"] = first
        output = world.videos.parent
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as job:
            assert first.stopped.wait(60)
            wait_until_dealt_with(output)
            os.kill(job.pid, signal.SIGKILL)
        before = {path.name: path.stat() for path in output.rglob("archive-*/*.mp4")}
        second = Counted(content)
        server.answers[f"/{name}"] = second
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as job:
            job.wait(120)

    assert job.returncode == 0
    assert world.files == {wanted: CLIPS[wanted] for wanted in WANTED}
    assert {row["status"] for row in world.rows.values()} == {"ok"}
    # The archive was read again, and no finished clip was written a second time.
    assert (second.starts, second.sent) == ([0], len(content))
    assert len(before) > 100
    after = {path.name: path.stat() for path in world.videos.iterdir()}
    assert all(after[each].st_mtime_ns == before[each].st_mtime_ns for each in before)
    assert 0.95 * NUM_WANTED * CLIP_BYTES <= max(disk) <= 1.05 * NUM_WANTED * CLIP_BYTES


def test_archive_that_broke_off_is_read_from_its_start(tmp_path, archives):
    content = archives["a.tar.gz"]
    with hostile_server() as server:
        world = world_of(tmp_path, server, "a.tar.gz")
        place = int(len(content) * 0.8)
        server.answers["/a.tar.gz"] = lambda handler, count: (
            handler.reply(200, content[:place], {"ETag": '"v1"'}, announced=len(content))
            if count == 1
            else handler.reply(503)
        )
        counts = world.download()
        assert counts["archives_broken"] == 1
        world.report.unlink()
        server.answers["/a.tar.gz"] = lambda handler, count: handler.ranged(content, '"v2"')

        world.download()

    asked = [headers.get("Range") for headers in server.asked["/a.tar.gz"]]
    assert asked[-1] is None
    assert world.files == {wanted: CLIPS[wanted] for wanted in WANTED}


def test_archive_whose_clips_are_all_there_is_not_opened(tmp_path, archives):
    content = archives["a.tar.gz"]
    with hostile_server() as server:
        world = world_of(tmp_path, server, "a.tar.gz")
        server.answers["/a.tar.gz"] = served = Counted(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pipeline.download.job.write_videos", _killed)
            with pytest.raises(KeyboardInterrupt):
                world.download()
        assert served.sent == len(content)

        world.download()

    assert served.starts == [0]
    assert world.files == {wanted: CLIPS[wanted] for wanted in WANTED}


def _killed(*args: object) -> None:
    raise KeyboardInterrupt


def test_lost_file_of_a_killed_job_is_looked_for_again(tmp_path, archives):
    content = archives["a.tar.gz"]
    with hostile_server() as server:
        world = world_of(tmp_path, server, "a.tar.gz")
        server.answers["/a.tar.gz"] = lambda handler, count: (
            handler.reply(200, content[: len(content) * 4 // 5], {"ETag": '"v"'}, len(content))
            if count == 1
            else handler.reply(503)
        )
        world.download()
        world.report.unlink()
        sorted(world.videos.iterdir())[0].write_bytes(b"spoilt")
        server.answers["/a.tar.gz"] = lambda handler, count: handler.ranged(content, '"v"')

        world.download()

    assert server.asked["/a.tar.gz"][-1].get("Range") is None
    assert world.files == {wanted: CLIPS[wanted] for wanted in WANTED}
