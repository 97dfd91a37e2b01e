"""Sections of videos through yt-dlp, from a server on loopback that plays the part of the site."""

import shutil
import threading
from fractions import Fraction
from pathlib import Path

import av
import pytest
from yt_dlp.utils import DownloadError, UnavailableVideoError

from pipeline.core.disk_space import DiskFullError
from pipeline.demo.mirror_server import serve
from pipeline.download.answers import TransferError
from pipeline.download.youtube import REFUSALS_IN_A_ROW, YouTubeReader, format_chooser
from pipeline.settings.sections import YouTube
from pipeline.sources.clip_files import Span
from pipeline.video.cutting import cut_clip
from pipeline.video.frame_reader import Damage, read_frames
from pipeline.video.rgb import to_rgb
from tests.counter_videos import on_screen, read_number, write_video
from tests.download_world import QUICK
from tests.hostile_server import hostile_server


def reader(**settings: object) -> YouTubeReader:
    stopped = threading.Event()
    chosen = YouTube(**{**QUICK.model_dump(), **settings})
    return YouTubeReader(chosen, 2.0, 100, stopped)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_video(folder / "abc.mp4", "25", 1000)  # 40 s, a group of frames every 24
    with serve(folder) as base:
        yield base


def shown(path: Path) -> list[tuple[Fraction, int]]:
    """Time and number of every frame that a player shows."""
    with av.open(str(path)) as video:
        frames = [(frame.pts * frame.time_base, frame) for frame in video.decode(video=0)]
        return [(time, read_number(frame.to_ndarray(format="rgb24"))) for time, frame in frames]


def test_only_the_section_comes_and_starts_at_its_start(site, tmp_path):
    got = reader().fetch(f"{site}/abc.mp4", Span(12.4, 17.4), tmp_path / "clip.mp4")

    frames = [(time, number) for time, number in shown(tmp_path / "clip.mp4") if time >= 0]
    # Second 12.4 shows frame 310 of 25 a second; it must be on screen at time 0.
    assert frames[0] == (0, 310)
    assert [number for _, number in frames[:120]] == list(range(310, 430))
    assert len(frames) <= 130
    assert got.bytes == (tmp_path / "clip.mp4").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4"]


def test_stored_frames_of_a_section_are_those_of_the_video(site, tmp_path):
    reader().fetch(f"{site}/abc.mp4", Span(12.4, 17.4), tmp_path / "clip.mp4")

    cut = cut_clip(tmp_path / "clip.mp4", tmp_path, "clip", [(1, 60), (91, 120)], 0.0)

    numbers = [*range(1, 61), *range(91, 121)]
    frames = read_frames(tmp_path / cut.path, cut, numbers, Damage())
    read = {n: read_number(to_rgb(frame, cut.look, 4000)) for frame, many in frames for n in many}
    times = [Fraction(number, 25) for number in range(1000)]
    start = Fraction("12.4")
    assert read == {n: on_screen(start + Fraction(n - 1, 30), times) for n in numbers}


def test_whole_video_comes_as_it_is(site, tmp_path):
    reader().fetch(f"{site}/abc.mp4", Span(0, float("inf")), tmp_path / "clip.mp4")

    assert len(shown(tmp_path / "clip.mp4")) == 1000


SHORT = Span(1, 2)


def refusal(tmp_path, url, span=SHORT, **settings):
    with pytest.raises(TransferError) as caught:
        reader(**settings).fetch(url, span, tmp_path / "clip.mp4")
    assert not list(tmp_path.glob("*.mp4"))
    assert not list(tmp_path.glob("video-*"))
    return caught.value


def test_missing_video_is_gone_for_good(site, tmp_path):
    error = refusal(tmp_path, f"{site}/none.mp4")

    assert error.reason.startswith("gone: ")
    assert "404" in error.reason
    assert error.permanent


def test_section_behind_the_end_is_no_clip(site, tmp_path):
    assert refusal(tmp_path, f"{site}/abc.mp4", Span(50, 60)).reason.startswith("try later: ")


@pytest.mark.parametrize("status", [429, 503])
def test_busy_site_is_to_be_asked_later(tmp_path, status):
    with hostile_server() as server:
        server.answers["/abc.mp4"] = lambda handler, count: handler.reply(status)

        error = refusal(tmp_path, f"{server.base}/abc.mp4")

    assert error.reason.startswith("try later: ")
    assert not error.permanent


def test_page_without_a_video_gives_no_file(tmp_path):
    with hostile_server() as server:
        page = {"Content-Type": "text/html"}
        server.answers["/abc"] = lambda handler, count: handler.reply(200, b"<html>hi", page)

        assert refusal(tmp_path, f"{server.base}/abc").reason.startswith("gone: ")


def test_video_that_breaks_off_is_no_clip(site, tmp_path):
    video = write_video(tmp_path / "source.mov", "25", 500, "-movflags", "faststart").read_bytes()
    with hostile_server() as server:
        kind = {"Content-Type": "video/mp4"}
        server.answers["/abc.mp4"] = lambda handler, count: handler.reply(
            200, video[: len(video) // 2], kind, announced=len(video)
        )
        reason = refusal(tmp_path, f"{server.base}/abc.mp4", Span(2, 18)).reason

    assert reason.startswith("try later: ")


def test_after_refusals_in_a_row_nobody_is_asked(tmp_path):
    with hostile_server() as server:
        server.answers["/abc.mp4"] = lambda handler, count: handler.reply(429)
        ask = reader()
        reasons = []
        for _ in range(REFUSALS_IN_A_ROW + 1):
            with pytest.raises(TransferError) as caught:
                ask.fetch(f"{server.base}/abc.mp4", SHORT, tmp_path / "clip.mp4")
            reasons.append(caught.value.reason)
            asked = server.counts["/abc.mp4"]

        with pytest.raises(TransferError, match="not asked"):
            ask.fetch(f"{server.base}/abc.mp4", SHORT, tmp_path / "clip.mp4")

    assert "not asked" in reasons[-1]
    assert "not asked" not in reasons[-2]
    assert server.counts["/abc.mp4"] == asked


def test_job_asks_for_no_more_videos_than_allowed(site, tmp_path):
    ask = reader(videos_per_job=1)
    ask.fetch(f"{site}/abc.mp4", SHORT, tmp_path / "clip.mp4")

    with pytest.raises(TransferError, match="try later: not asked, after 1 videos"):
        ask.fetch(f"{site}/abc.mp4", SHORT, tmp_path / "clip.mp4")


def test_cookies_of_the_environment_are_sent_and_left_alone(tmp_path, monkeypatch):
    cookies = tmp_path / "cookies.txt"
    line = "127.0.0.1\tFALSE\t/\tFALSE\t0\twho\tme\n"
    cookies.write_text(f"# Netscape HTTP Cookie File\n{line}")
    before = cookies.read_bytes()
    monkeypatch.setenv("AVA_YOUTUBE_COOKIES", str(cookies))
    with hostile_server() as server:
        server.answers["/abc.mp4"] = lambda handler, count: handler.reply(404)
        with pytest.raises(TransferError):
            reader().fetch(f"{server.base}/abc.mp4", SHORT, tmp_path / "clip.mp4")

    assert server.asked["/abc.mp4"][0]["Cookie"] == "who=me"
    assert cookies.read_bytes() == before


def test_cookies_that_are_not_there_are_named(site, tmp_path):
    with pytest.raises(ValueError, match="cookies: /nowhere: found no such file"):
        reader(cookies="/nowhere").fetch(f"{site}/abc.mp4", SHORT, tmp_path / "clip.mp4")


def free_bytes(monkeypatch, *counts: int) -> None:
    """Let the disk have so much room each time that somebody looks, the last for ever."""
    left = list(counts)
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(
        "shutil.disk_usage",
        lambda path: usage._replace(free=left.pop(0) if len(left) > 1 else left[0]),
    )


@pytest.mark.parametrize(
    ("span", "needed"), [(Span(900, 1800), "0.45 GB"), (Span(0, float("inf")), "67.1 MB")]
)
def test_section_that_will_not_fit_is_not_asked_for(tmp_path, monkeypatch, span, needed):
    free_bytes(monkeypatch, 60_000_000)
    with hostile_server() as server:
        with pytest.raises(DiskFullError, match=f"disk is full: {needed} needed, 60 MB free"):
            reader().fetch(f"{server.base}/abc.mp4", span, tmp_path / "clip.mp4")

        assert not server.counts


@pytest.mark.parametrize(
    "error",
    [
        DownloadError("ERROR: unable to write data: [Errno 28] No space left on device"),
        UnavailableVideoError(OSError(28, "No space left on device")),
        DownloadError("ERROR: unable to write data: [Errno 122] Disk quota exceeded"),
    ],
)
def test_full_disk_in_the_words_of_yt_dlp_is_no_refusal(tmp_path, monkeypatch, error):
    def fail(options, url):
        raise error

    monkeypatch.setattr("pipeline.download.youtube._extract", fail)

    with pytest.raises(DiskFullError, match="disk is full: no space left; make room"):
        reader().fetch("http://x.test/abc.mp4", SHORT, tmp_path / "clip.mp4")

    assert not list(tmp_path.glob("video-*"))


def test_failure_that_leaves_the_disk_full_is_no_refusal(tmp_path, monkeypatch):
    def fail(options, url):
        raise DownloadError("ERROR: ffmpeg exited with code 228")

    monkeypatch.setattr("pipeline.download.youtube._extract", fail)
    free_bytes(monkeypatch, 1 << 30, 4096)

    with pytest.raises(DiskFullError, match="disk is full: no space left; make room"):
        reader().fetch("http://x.test/abc.mp4", SHORT, tmp_path / "clip.mp4")


H264 = {"ext": "mp4", "vcodec": "avc1.4d401e", "acodec": "none"}


@pytest.mark.parametrize(
    ("forms", "chosen"),
    [
        ([{"height": 240, "width": 426}, {"height": 360, "width": 640}, {"height": 720}], 1),
        ([{"height": 240, "width": 426}, {"height": 144, "width": 256}], 0),  # none large enough
        ([{"height": 640, "width": 360}, {"height": 480, "width": 270}], 0),  # upright
        ([{"height": 360, "ext": "webm"}, {"height": 720}], 1),
        ([{"height": 360, "vcodec": "av01"}, {"height": 480}], 1),
        ([{"height": 360, "acodec": "mp4a"}, {"height": 360}], 1),
        ([{"height": 360, "has_drm": True}, {"height": 480}], 1),
        ([{"height": 360, "vcodec": "none"}, {}], 1),
    ],
)
def test_smallest_sufficient_format_is_chosen(forms, chosen):
    offered = [{**H264, **form} for form in forms]

    assert list(format_chooser(320)({"formats": offered})) == [offered[chosen]]


def test_no_format_is_chosen_where_there_is_no_mp4():
    assert list(format_chooser(320)({"formats": [{**H264, "ext": "webm"}]})) == []
