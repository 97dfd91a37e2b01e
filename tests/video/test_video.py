"""Opening video files and reading when their packets are shown."""

from fractions import Fraction

import numpy as np
import pytest

from pipeline.video.video import Timeline, encoded_packets, follow, opened, read_timeline
from tests.counter_videos import H264, ffmpeg, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two seconds at 24 frames a second, its index at the front."""
    path = tmp_path_factory.mktemp("video") / "two_seconds.mp4"
    return write_video(path, "24", 48, *H264, "-movflags", "+faststart")


def timeline(pts, hidden=(), durations=None, is_whole=True):
    return Timeline(
        pts=np.array(pts, dtype=np.int64),
        durations=np.array(durations or [0] * len(pts), dtype=np.int64),
        is_key=np.array([k == 0 for k in range(len(pts))]),
        is_closed=np.zeros(len(pts), dtype=bool),
        is_hidden=np.array([tick in hidden for tick in pts]),
        time_base=Fraction(1, 10),
        start_seconds=0.0,
        frame_seconds=0.25,
        is_whole=is_whole,
        has_times=True,
        disorder="",
        damage="",
    )


def test_timeline_tells_display_times_in_file_order(video):
    found = read_timeline(video)

    assert len(found.pts) == 48
    assert found.pts.tolist() != sorted(found.pts)  # B-frames are decoded after what they lean on
    assert found.shown_seconds == pytest.approx(np.arange(48) / 24)
    assert found.end_seconds == pytest.approx(2.0)
    assert not found.disorder
    assert not found.damage


def test_bare_stream_has_its_rate_alone(tmp_path):
    path = write_video(tmp_path / "bare.h264", "24", 48, *H264)

    found = read_timeline(path)

    assert not found.has_times
    assert found.frame_seconds == pytest.approx(1 / 24, rel=1e-3)
    assert np.diff(found.pts) * float(found.time_base) == pytest.approx(
        np.full(47, 1 / 24), rel=1e-3
    )
    assert found.end_seconds - found.start_seconds == pytest.approx(2.0, rel=1e-3)


def test_a_single_picture_is_shown_for_one_frame_of_the_rate(tmp_path):
    found = read_timeline(write_video(tmp_path / "one.mp4", "24", 1))

    assert found.frame_seconds == pytest.approx(1 / 24)


def test_reading_stops_where_nothing_more_is_wanted(video):
    with opened(video) as (container, stream):
        found = follow(container, stream, encoded_packets(container, stream), until_seconds=0.5)

    assert 13 <= len(found.pts) < 20
    assert found.end_seconds == float("inf")


def test_last_picture_stays_for_its_duration_or_for_one_frame():
    assert timeline([0, 30, 10], durations=[10, 5, 20]).end_seconds == pytest.approx(3.5)
    assert timeline([0, 30, 10]).end_seconds == pytest.approx(3.25)


def test_hidden_pictures_do_not_count():
    found = timeline([0, 30, 10], hidden=(0, 30), durations=[10, 10, 10])

    assert found.shown_seconds.tolist() == [1.0]
    assert found.end_seconds == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("page.mp4", b"<html><title>404</title></html>"),
        ("noise.mkv", bytes(range(256)) * 64),
        ("playlist.mp4", b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n"),
        ("script.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"),
    ],
)
def test_what_is_no_video_is_told_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ValueError, match=rf"^{name}: .*, expected a video$"):
        read_timeline(tmp_path / name)


def test_sound_alone_is_no_video(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", tmp_path / "tone.m4a")

    with pytest.raises(ValueError, match=r"tone\.m4a: found no video stream, expected a video"):
        read_timeline(tmp_path / "tone.m4a")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_lost_end_is_damage(tmp_path, suffix):
    coder = ["-c:v", "libvpx", "-deadline", "realtime"] if suffix == "webm" else H264
    front = ["-movflags", "+faststart"] if suffix == "mp4" else []
    whole = write_video(tmp_path / f"whole.{suffix}", "30", 90, *coder, *front)
    half = tmp_path / f"half.{suffix}"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    assert not read_timeline(whole).damage
    assert read_timeline(half).damage.startswith("the file ")


def test_name_is_never_taken_for_an_address_or_an_option(tmp_path, video, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-i.mp4", "http:x.mp4", "a b'c\".mp4", "concat:a|b.mp4", "%03d.mp4"):
        path = tmp_path / name
        path.write_bytes(video.read_bytes())
        assert len(read_timeline(path.relative_to(tmp_path)).pts) == 48
