"""Clips are cut while their archive is read, into what `cut_clips` makes of whole ones."""

import io
import tarfile
from pathlib import Path

import pytest

from pipeline.clips import parse_windows
from pipeline.download.member_cutting import MemberCutter
from pipeline.video.crash_guard import Guard
from pipeline.video.cut_table import Cut, read_cuts
from pipeline.video.cutting import cut_clip
from pipeline.video.shard_cutting import Downloaded, cut_clips
from tests.counter_videos import write_video
from tests.download_world import World
from tests.hostile_server import Hostile, hostile_server

NAMES = ["a", "b", "c", "d", "e"]
WINDOWS = "31-60"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("videos")
    made = {
        name: write_video(folder / f"{name}.mp4", "30", 150 + number).read_bytes()
        for number, name in enumerate(NAMES)
    }
    return made | {"page": b"<html>" * 100}


@pytest.fixture
def world(tmp_path: Path, videos: dict[str, bytes]) -> World:
    world = World(tmp_path / "world")
    publish(world, videos)
    return world


def publish(world: World, videos: dict[str, bytes], keep: str = "seconds") -> None:
    with tarfile.open(world.mirror / "0.tar.gz", "w:gz") as archive:
        for name, content in videos.items():
            info = tarfile.TarInfo(f"x/{name}.mp4")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (world.raw / "paths.txt").write_text("{mirror}/0.tar.gz\n")
    world.sources = [{"kind": "archives", "list": "paths.txt", "keep": keep}]
    want(world, WINDOWS)


def serve(world: World, server: Hostile) -> None:
    """From another host than the demo's mirror, which is never locked."""
    content = (world.mirror / "0.tar.gz").read_bytes()
    server.answers["/0.tar.gz"] = lambda handler, count: handler.ranged(content, '"v"')
    (world.raw / "paths.txt").write_text(f"{server.base}/0.tar.gz\n")


def want(world: World, windows: str, *clips: str) -> None:
    world.clips.clear()
    world.want(*(clips or [*NAMES, "page"]), shard="")
    for row in world.clips:
        row["windows"] = windows


def cut_all(world: World, folder: Path) -> list[Cut]:
    """What the stage after the download makes of its videos."""
    ready = world.videos / "cuts.csv"
    cuts = {cut.clip: cut for cut in read_cuts(ready)} if ready.exists() else {}
    downloaded = [
        Downloaded(clip, world.videos / row["path"], float(row["offset_seconds"]), cuts.get(clip))
        for clip, row in world.rows.items()
    ]
    windows = {str(row["clip"]): str(row["windows"]) for row in world.clips}
    return cut_clips(windows, downloaded, folder, Guard())


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_cut_clips_makes_the_same_of_both(world, videos, tmp_path):
    world.download()
    cut = cut_all(world, tmp_path / "cut")
    names = set(world.files)
    publish(world, videos, keep="whole")
    world.download()

    assert set(world.files) == {f"{name}.mp4" for name in videos}
    assert names == {"cuts.csv", "page.mp4", *(f"{name}.nut" for name in NAMES)}
    assert cut == cut_all(world, tmp_path / "whole")
    assert bytes_below(tmp_path / "cut") == bytes_below(tmp_path / "whole")


def test_what_is_cut_takes_less_room_and_cut_clips_takes_none(world, videos, tmp_path):
    world.download()
    cut_all(world, tmp_path / "cut")

    files = world.files
    assert all(len(files[f"{name}.nut"]) < 0.8 * len(videos[name]) for name in NAMES)
    for name in NAMES:
        assert (tmp_path / "cut" / f"{name}.nut").samefile(world.videos / f"{name}.nut")


def test_few_clips_lie_whole_on_the_disk_at_once(world, videos, monkeypatch):
    whole: list[int] = []
    cut = MemberCutter.cut

    def watched(self, folder, rows):
        whole.append(len(list(folder.glob("archive-*/*.mp4"))))
        return cut(self, folder, rows)

    two = len(videos["a"]) + len(videos["b"])
    monkeypatch.setattr("pipeline.download.archive_reading.AT_ONCE_BYTES", two)
    monkeypatch.setattr(MemberCutter, "cut", watched)

    world.download()

    assert max(whole) == 2
    assert len(world.files) == len(NAMES) + 2


def test_the_lock_knows_the_member_not_what_was_cut_out_of_it(world, videos):
    with hostile_server() as server:
        serve(world, server)
        world.download()
        first = world.files
        world.forget()
        world.download()
        assert world.files == first
        world.forget()
        publish(world, {**videos, "a": videos["b"]})
        serve(world, server)

        world.download()

    assert world.rows["a"]["status"] == "missing"
    assert world.rows["a"]["reason"].startswith("sha256 ")
    assert world.files.keys() == first.keys() - {"a.nut"}


def test_an_archive_is_read_again_for_other_seconds_only(world):
    with hostile_server() as server:
        serve(world, server)
        world.download()
        world.download()
        assert server.counts["/0.tar.gz"] == 1
        before = world.files
        want(world, "61-90")

        world.download()

        assert server.counts["/0.tar.gz"] == 2
    assert world.files.keys() == before.keys()
    assert all(world.files[f"{name}.nut"] != before[f"{name}.nut"] for name in NAMES)
    assert {cut.windows for cut in read_cuts(world.videos / "cuts.csv")} == {"61-90"}


def test_an_archive_is_read_again_when_cutting_has_changed(world, monkeypatch):
    with hostile_server() as server:
        serve(world, server)
        world.download()
        monkeypatch.setattr("pipeline.download.member_cutting.CUT_VERSION", 0)

        world.download()

        assert server.counts["/0.tar.gz"] == 2


def test_clips_that_lay_whole_when_the_job_was_killed_are_cut(world, videos):
    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemberCutter, "cut", killed)
        with pytest.raises(KeyboardInterrupt):
            world.download()
    (world.mirror / "0.tar.gz").unlink()

    world.download()

    assert set(world.files) == {"cuts.csv", "page.mp4", *(f"{name}.nut" for name in NAMES)}


def test_what_is_no_video_is_told_by_cut_clips(world, tmp_path):
    world.download()

    [page] = [cut for cut in cut_all(world, tmp_path / "cut") if cut.clip == "page"]

    assert (page.status, page.path) == ("damaged", "")
    assert page.reason.endswith("expected a video")


def test_cut_clips_refuses_what_was_cut_for_other_windows(world, tmp_path):
    world.download()
    want(world, "61-90")

    with pytest.raises(ValueError, match="found frames 31-60 cut out by the download, expected"):
        cut_all(world, tmp_path / "cut")


def test_a_member_that_crashes_the_decoder_stays_whole(world, monkeypatch):
    monkeypatch.setattr("pipeline.download.member_cutting._cut", crash_at_c)

    world.download()

    assert set(world.files) == {
        *("cuts.csv", "page.mp4", "c.mp4"),
        *(f"{name}.nut" for name in NAMES if name != "c"),
    }


def crash_at_c(task, guard):
    """In the child process, where no fixture reaches."""
    import os
    import signal

    folder, members = task
    cuts = []
    for path, clip, stretch in members:
        if guard.begin(clip):
            cuts.append(Cut(clip))
            continue
        if clip == "c":
            os.kill(os.getpid(), signal.SIGSEGV)
        cuts.append(cut_clip(path, folder, clip, parse_windows(stretch.windows), 0.0))
    return cuts
