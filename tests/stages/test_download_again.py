"""A later run of a download fetches nothing that is there, whatever made it run again."""

from pathlib import Path

import pytest

from tests.counter_videos import write_video
from tests.download_world import World, video
from tests.hostile_server import Hostile, hostile_server


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def server():
    with hostile_server() as server:
        yield server


def serve_files(server: Hostile, world: World, *names: str) -> None:
    world.publish(*names, url=server.base)
    for name in names:
        server.answers[f"/{name}"] = lambda handler, count, name=name: handler.reply(
            200, video(name)
        )


def serve_archive(server: Hostile, world: World, *names: str) -> None:
    world.publish_archives(list(names))
    content = (world.mirror / "0.tar.gz").read_bytes()
    (world.raw / "paths.txt").write_text(f"{server.base}/0.tar.gz\n")
    server.answers["/0.tar.gz"] = lambda handler, count: handler.ranged(content, '"v"')


def test_files_that_are_there_are_not_asked_for_and_missing_ones_are(world, server):
    serve_files(server, world, "a.mp4", "b.mp4")
    world.want("a", "b")
    del server.answers["/b.mp4"]
    world.download()
    before = world.report.read_bytes(), (world.videos / "a.mp4").stat().st_mtime_ns
    world.report.unlink()  # as Snakemake does before it runs a job again

    world.download()

    assert server.counts == {"/a.mp4": 1, "/b.mp4": 2}
    assert (world.report.read_bytes(), (world.videos / "a.mp4").stat().st_mtime_ns) == before
    assert world.files == {"a.mp4": video("a.mp4")}


@pytest.mark.parametrize("harm", ["spoilt", "deleted"])
def test_a_file_that_is_not_what_it_was_is_fetched_again(world, server, harm):
    serve_files(server, world, "a.mp4", "b.mp4")
    world.want("a", "b")
    world.download()
    (world.videos / "a.mp4").unlink()
    if harm == "spoilt":
        (world.videos / "a.mp4").write_bytes(b"spoilt")

    world.download()

    assert server.counts == {"/a.mp4": 2, "/b.mp4": 1}
    assert world.files == {"a.mp4": video("a.mp4"), "b.mp4": video("b.mp4")}


def test_a_file_that_another_lock_forbids_is_not_kept(world, server):
    serve_files(server, world, "a.mp4")
    world.want("a")
    world.download()
    locked = world.lock.read_text()
    good = locked.split(",")[-2]
    world.lock.write_text(locked.replace(good, "0" * 64))

    world.download()

    assert world.rows["a"]["reason"] == f"sha256 {good} instead of {'0' * 64}"
    assert world.files == {}


def test_a_local_file_that_changed_is_taken_again(world):
    (world.folder / "local").mkdir()
    (world.folder / "local" / "a.mp4").write_bytes(b"old")
    world.sources.append({"kind": "folder", "path": str(world.folder / "local")})
    world.want("a")
    world.download()
    (world.folder / "local" / "a.mp4").unlink()
    (world.folder / "local" / "a.mp4").write_bytes(b"new")

    world.download()

    assert world.files == {"a.mp4": b"new"}


def test_a_local_archive_that_changed_is_read_again(world):
    world.publish_archives(["x/a.mp4"])
    archive = world.mirror / "0.tar.gz"
    (world.raw / "paths.txt").write_text(f"{archive}\n")
    world.want("a", shard="")
    world.download()
    world.publish_archives(["y/a.mp4"])
    (world.raw / "paths.txt").write_text(f"{archive}\n")

    world.download()

    assert world.files == {"a.mp4": video("y/a.mp4")}


def test_a_broken_local_archive_is_read_from_its_start_again(world):
    names = [f"{number}.mp4" for number in range(4)]
    world.publish_archives(names)
    archive = world.mirror / "0.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    (world.raw / "paths.txt").write_text(f"{archive}\n")
    world.want(*[Path(name).stem for name in names], shard="")
    assert world.download()["archives_broken"] == 1
    archive.write_bytes(whole)

    world.download()

    assert world.files == {name: video(name) for name in names}


def test_an_archive_is_not_opened_for_fewer_clips_and_is_for_more(world, server):
    serve_archive(server, world, "a.mp4", "b.mp4", "c.mp4")
    world.want("a", "b", "none", shard="")
    world.download()
    everything, world.clips = world.clips, world.clips[1:]

    world.download()
    assert (world.files, server.counts["/0.tar.gz"]) == ({"b.mp4": video("b.mp4")}, 1)

    world.clips = everything
    world.want("c", shard="")
    world.download()
    assert sorted(world.files) == ["a.mp4", "b.mp4", "c.mp4"]
    assert server.counts["/0.tar.gz"] == 2


def test_what_youtube_gave_is_kept_when_its_video_is_gone(world, server):
    write_video(world.folder / "abc.mp4", "25", 500)
    content = (world.folder / "abc.mp4").read_bytes()
    server.answers["/abc.mp4"] = lambda handler, count: handler.reply(
        200, content, {"Content-Type": "video/mp4"}
    )
    world.sources.append({"kind": "youtube", "url": f"{server.base}/{{video_id}}.mp4"})
    world.want("abc_000004_000008", video_id="abc", start=4.0, end=8.0)
    world.download()
    before = world.files
    del server.answers["/abc.mp4"]

    world.download()

    assert list(before) == ["abc_000004_000008.mp4"]
    assert world.files == before


def test_mirror_that_was_drawn_anew_is_read_anew(world):
    world.publish("a.mp4")
    world.publish_archives(["b.mp4"])
    world.want("a", "b", shard="00")
    world.download_all()
    (world.mirror / "a.mp4").write_bytes(b"new")
    world.publish_archives(["new/b.mp4"])

    world.sources.pop()
    world.download_all()

    assert world.files == {"b.mp4": video("new/b.mp4")}
    world.job = "00"
    assert world.files == {"a.mp4": b"new"}


def test_archives_are_not_read_again_when_youtube_gives_one_more(world, server):
    world.sources.append({"kind": "youtube", "url": f"{server.base}/{{video_id}}.mp4"})
    serve_archive(server, world, "a_000001_000005.mp4", "b_000001_000005.mp4")
    write_video(world.folder / "a.mp4", "25", 300)
    content = (world.folder / "a.mp4").read_bytes()
    for name in "ab":
        world.want(f"{name}_000001_000005", video_id=name, shard="00", start=1.0, end=5.0)
        server.answers[f"/{name}.mp4"] = lambda handler, count: handler.reply(503)
    assert len(world.download_all()) == 2
    server.answers["/a.mp4"] = lambda handler, count: handler.reply(
        200, content, {"Content-Type": "video/mp4"}
    )

    there = world.download_all()

    assert there["a_000001_000005"]["source"] == f"{server.base}/a.mp4#t=1,5"
    assert there["b_000001_000005"]["source"] == f"{server.base}/0.tar.gz"
    assert server.counts["/0.tar.gz"] == 1
