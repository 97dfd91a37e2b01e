import gc
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.download_world import World, arguments, params_file, video
from tests.hostile_server import hostile_server


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_clip_in_two_archives_comes_from_the_first_listed(world):
    world.publish_archives(["x/a.mp4"], ["y/a.mp4"])
    world.want("a", shard="")

    world.download()

    assert world.rows["a"]["source"] == "{mirror}/0.tar.gz"
    assert world.files == {"a.mp4": video("x/a.mp4")}


def test_truncated_archive_gives_what_it_has(world):
    names = [f"{number}.mp4" for number in range(9)]
    world.publish_archives(names, ["z.mp4"])
    whole = (world.mirror / "0.tar.gz").read_bytes()
    (world.mirror / "0.tar.gz").write_bytes(whole[: len(whole) // 2])
    world.want(*[Path(name).stem for name in names], "z", shard="")

    counts = world.download()

    assert counts["archives_broken"] == 1
    assert "z.mp4" in world.files
    assert "8.mp4" not in world.files
    assert all(content == video(name) for name, content in world.files.items())


def test_damaged_archive_gives_nothing(world, caplog):
    world.publish_archives(["a.mp4", "b.mp4"])
    data = bytearray((world.mirror / "0.tar.gz").read_bytes())
    data[-8] ^= 1  # the checksum of it all
    (world.mirror / "0.tar.gz").write_bytes(bytes(data))
    world.want("a", "b", shard="")

    counts = world.download()

    assert (world.files, world.rows, counts["archives_broken"]) == ({}, {}, 1)
    assert "0.tar.gz: archive is damaged" in caplog.text


def test_damaged_archive_gives_its_connection_back_at_once(world):
    world.publish_archives(["a.mp4"], ["b.mp4"], ["c.mp4"])
    for number in range(2):
        # No header of a tar, and more behind it than anybody reads by then.
        (world.mirror / f"{number}.tar.gz").write_bytes(b"x" * 5_000_000)
    world.want("a", "b", "c", shard="")
    world.limits = replace(world.limits, connections=1)
    job = threading.Thread(target=world.download, daemon=True)
    gc.disable()  # which might otherwise help
    try:
        job.start()
        job.join(20)
    finally:
        gc.enable()

    assert not job.is_alive()
    assert world.files == {"c.mp4": video("c.mp4")}


def test_full_disk_ends_the_job_and_the_next_run_goes_on(world, monkeypatch):
    world.publish("a.mp4", "b.mp4")
    world.want("a", "b")

    def full(self, row):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.download.journal.Journal.add", full)
        with pytest.raises(OSError, match="disk is full: no space left; make room"):
            world.download()
    assert not world.videos.exists()

    world.download()

    assert sorted(world.files) == ["a.mp4", "b.mp4"]


def test_killed_job_goes_on_and_ends_with_the_same_bytes(world):
    names = [f"{number}.mp4" for number in range(6)]
    with hostile_server() as server:
        world.publish(*names, url=server.base)
        world.want(*[Path(name).stem for name in names])

        def slowly(handler, count, name):
            half = len(video(name)) // 2
            if count == 1 and name == "5.mp4":  # half of it, then silence
                handler.reply(200, video(name)[:half], {"ETag": '"v"'}, len(video(name)))
                handler.wfile.flush()
                time.sleep(60)
            handler.ranged(video(name), '"v"')

        for name in names:
            server.answers[f"/{name}"] = lambda handler, count, name=name: slowly(
                handler, count, name
            )
        command = [sys.executable, "-m", "pipeline.stages.download"]
        command += arguments(world, params_file(world))
        partial = world.videos.with_name(".00.partial") / "single"
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as job:
            wait_for(lambda: len(list(partial.glob("*.mp4"))) == 5)
            wait_for(lambda: (partial / "5.mp4.part").stat().st_size == 32000)
            time.sleep(0.1)  # the last journal line follows its file
            os.kill(job.pid, signal.SIGKILL)
        assert not world.videos.exists()
        assert not world.report.exists()

        subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)

    assert world.files == {name: video(name) for name in names}
    assert list(world.rows) == [Path(name).stem for name in names]
    # What was whole is not asked for again, what was half comes by its other half.
    assert [server.counts[f"/{name}"] for name in names] == [1, 1, 1, 1, 1, 2]
    assert server.asked["/5.mp4"][1]["Range"] == "bytes=32000-"


def test_finished_archives_are_not_read_again(world):
    world.publish_archives(["a.mp4"], ["b.mp4"])
    world.want("a", "b", shard="")
    (world.raw / "paths.txt").write_text("{mirror}/0.tar.gz\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.download.job.write_videos", killed)
        with pytest.raises(KeyboardInterrupt):
            world.download()
    (world.raw / "paths.txt").write_text("{mirror}/0.tar.gz\n{mirror}/1.tar.gz\n")
    (world.mirror / "0.tar.gz").unlink()

    world.download()

    assert world.files == {"a.mp4": video("a.mp4"), "b.mp4": video("b.mp4")}


def killed(*args: object) -> None:
    raise KeyboardInterrupt


def wait_for(happened) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if happened():
                return
        except FileNotFoundError:
            pass
        time.sleep(0.02)
    raise TimeoutError("nothing happened")
