"""Sources in any order: archives have passes of their own, each for what those before lack."""

from pathlib import Path

import pytest

from pipeline.annotations.coverage import read_reports
from pipeline.settings.sections import Subset
from tests.counter_videos import write_video
from tests.download_world import World, video
from tests.hostile_server import hostile_server

YOUTUBE = {"kind": "youtube", "url": "{mirror}/{video_id}.mp4"}
ARCHIVES = {"kind": "archives", "list": "paths.txt"}
FILES = {"kind": "files", "list": "names.txt", "url": "{mirror}"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def sources_of(rows: dict[str, dict[str, str]]) -> dict[str, str]:
    return {clip: row["source"] for clip, row in rows.items()}


def test_archives_have_rounds_of_their_own(world):
    world.sources = [FILES, YOUTUBE, ARCHIVES, ARCHIVES, YOUTUBE, ARCHIVES]

    passes = Subset.model_validate(world.subset).passes

    kinds = [[source.label for source in each] for each in passes]
    assert kinds == [["files", "youtube"], ["archives"] * 2, ["youtube"], ["archives"]]


def test_what_the_archives_lack_comes_from_youtube(world):
    write_video(world.mirror / "vid.mp4", "25", 300)
    world.publish_archives(["a_000001_000005.mp4"], ["b_000001_000005.mp4"])
    world.sources.append(YOUTUBE)
    for shard, video_id in (("00", "a"), ("01", "b"), ("00", "vid"), ("01", "none")):
        clip = f"{video_id}_000001_000005"
        world.want(clip, video_id=video_id, shard=shard, start=1.0, end=5.0)

    there = world.download_all(num_shards=2)

    assert sources_of(there) == {
        "a_000001_000005": "{mirror}/0.tar.gz",
        "b_000001_000005": "{mirror}/1.tar.gz",
        "vid_000001_000005": "{mirror}/vid.mp4#t=1,5",
    }
    assert world.rows["none_000001_000005"]["reason"].startswith("gone: ")


def test_what_youtube_refuses_comes_from_the_archives(world):
    write_video(world.mirror / "vid.mp4", "25", 300)
    world.sources.append(YOUTUBE)
    world.publish_archives(["vid_000001_000005.mp4", "gone_000001_000005.mp4"])
    for video_id in ("vid", "gone"):
        clip = f"{video_id}_000001_000005"
        world.want(clip, video_id=video_id, shard="00", start=1.0, end=5.0)

    there = world.download_all(num_shards=2)

    assert sources_of(there) == {
        "vid_000001_000005": "{mirror}/vid.mp4#t=1,5",
        "gone_000001_000005": "{mirror}/0.tar.gz",
    }


def test_what_the_folder_lacks_and_a_dead_link_come_from_the_archive(world):
    (world.folder / "local").mkdir()
    (world.folder / "local" / "a.mp4").write_bytes(b"local")
    world.sources.append({"kind": "folder", "path": str(world.folder / "local")})
    world.publish("b.mp4", "c.mp4")
    (world.mirror / "c.mp4").unlink()
    world.publish_archives(["x/a.mp4", "x/b.mp4", "x/c.mp4", "x/d.mp4"])
    world.want("a", "b", "c", "d", "e", shard="00")

    there = world.download_all(num_shards=2)

    assert sources_of(there) == {
        "a": str(world.folder / "local" / "a.mp4"),
        "b": "{mirror}/b.mp4",
        "c": "{mirror}/0.tar.gz",
        "d": "{mirror}/0.tar.gz",
    }


def test_files_after_archives_are_asked_for_what_those_lack(world):
    with hostile_server() as server:
        for name in ("a.mp4", "b.mp4"):
            server.answers[f"/{name}"] = lambda handler, count, name=name: handler.reply(
                200, video(name)
            )
        world.publish_archives(["x/a.mp4"])
        world.publish("a.mp4", "b.mp4", url=server.base)
        world.want("a", "b", shard="00")

        there = world.download_all()

    assert sources_of(there) == {"a": "{mirror}/0.tar.gz", "b": f"{server.base}/b.mp4"}
    assert server.counts == {"/b.mp4": 1}


def test_archives_are_not_opened_when_nothing_is_missing(world):
    with hostile_server() as server:
        world.publish("a.mp4")
        world.publish_archives([])
        (world.raw / "paths.txt").write_text(f"{server.base}/0.tar.gz\n")
        world.want("a", shard="00")

        world.download_all()

    assert not server.counts


def test_reason_says_all_that_was_tried(world):
    world.publish("a.mp4")
    (world.mirror / "a.mp4").unlink()
    world.publish_archives([])
    world.sources.append(YOUTUBE)
    world.want("a", shard="00")

    world.download_all()

    reason = read_reports(world.out).loc["a", "reason"]
    assert reason.startswith("HTTP 404; gone: ")
