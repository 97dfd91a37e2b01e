"""Clips from YouTube through the whole stage, with a server on loopback in its place."""

from pathlib import Path

import pytest
from yt_dlp.utils import DownloadError

from pipeline.download.journal import Journal, Refusal
from tests.counter_videos import write_video
from tests.download_world import World
from tests.hostile_server import hostile_server


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    write_video(world.mirror / "abc.mp4", "25", 500)
    world.sources.append({"kind": "youtube", "url": "{mirror}/{video_id}.mp4"})
    return world


def test_clip_has_its_section_and_says_where_it_came_from(world):
    world.want("abc_000004_000008", video_id="abc", start=4.0, end=8.0)

    world.download()

    row = world.rows["abc_000004_000008"]
    assert row["source"] == "{mirror}/abc.mp4#t=4,8"
    assert (row["status"], row["offset_seconds"]) == ("ok", "0.0")
    assert list(world.files) == ["abc_000004_000008.mp4"]


def test_what_is_gone_is_never_asked_again_and_what_was_busy_is(world):
    with hostile_server() as server:
        world.sources[0]["url"] = server.base + "/{video_id}.mp4"
        answers = {"gone": 404, "busy": 503}
        for name, status in answers.items():
            server.answers[f"/{name}.mp4"] = lambda handler, count, status=status: handler.reply(
                status
            )
            world.want(f"{name}_000004_000008", video_id=name, start=4.0, end=8.0)
        world.download()
        first = dict(server.counts)
        assert world.rows["gone_000004_000008"]["reason"].startswith("gone: ")
        assert world.rows["busy_000004_000008"]["reason"].startswith("try later: ")
        # Snakemake removes the outputs of a job before it runs it again.
        world.report.unlink()

        world.download()

    assert server.counts["/gone.mp4"] == first["/gone.mp4"]
    assert server.counts["/busy.mp4"] > first["/busy.mp4"]
    assert world.rows["gone_000004_000008"]["reason"].startswith("gone: ")


def test_refusal_that_was_noted_as_final_and_is_not_is_asked_again(world):
    world.want("abc_000004_000008", video_id="abc", start=4.0, end=8.0)
    journal = Journal(world.out / ".00.partial")
    said = "gone: Requested format is not available"
    journal.refuse(Refusal("abc_000004_000008", "{mirror}/abc.mp4#t=4,8", said))

    world.download()

    assert world.rows["abc_000004_000008"]["status"] == "ok"


def test_full_disk_ends_the_job_and_the_next_run_goes_on(world, monkeypatch):
    world.want("abc_000004_000008", video_id="abc", start=4.0, end=8.0)

    def fail(options, url):
        raise DownloadError("ERROR: unable to write data: [Errno 28] No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.download.youtube._extract", fail)
        with pytest.raises(OSError, match="disk is full: no space left; make room"):
            world.download()
    assert not world.report.exists()

    world.download()

    assert world.rows["abc_000004_000008"]["status"] == "ok"


def test_folder_before_youtube_is_asked_first(world):
    (world.folder / "local").mkdir()
    (world.folder / "local" / "abc_000004_000008.mp4").write_bytes(b"local")
    world.sources.insert(0, {"kind": "folder", "path": str(world.folder / "local")})
    world.want("abc_000004_000008", video_id="abc", start=4.0, end=8.0)

    world.download()

    assert world.files == {"abc_000004_000008.mp4": b"local"}
