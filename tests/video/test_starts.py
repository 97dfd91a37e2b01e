"""Where decoding can start, told from the encoded bytes."""

import av
import pytest

from pipeline.video import starts
from pipeline.video.cutting import cut_clip
from pipeline.video.starts import Start, StartReader
from tests.counter_videos import H264, write_video
from tests.video.odd_videos import write_odd_video

HEVC = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params"]
KINDS = {  # options, and what the packets are that the container flags as keyframes
    "closed.mp4": ([*H264, "-g", "10"], {Start.CLOSED}),
    "closed.ts": ([*H264, "-g", "10"], {Start.CLOSED}),
    "open.mkv": (
        [*H264, "-x264-params", "open-gop=1:keyint=10:scenecut=0"],
        {Start.CLOSED, Start.KEY},
    ),
    "refresh.mp4": (
        [*H264, "-bf", "0", "-x264-params", "intra-refresh=1:keyint=10"],
        {Start.CLOSED, Start.NONE},
    ),
    "refresh.ts": (
        [*H264, "-bf", "0", "-x264-params", "intra-refresh=1:keyint=10"],
        {Start.CLOSED, Start.NONE},
    ),
    "hevc.mp4": ([*HEVC, "log-level=none:open-gop=0:keyint=10:scenecut=0"], {Start.CLOSED}),
    "hevc_open.ts": (
        [*HEVC, "log-level=none:open-gop=1:keyint=10:scenecut=0"],
        {Start.CLOSED, Start.KEY},
    ),
    "vp8.webm": (["-c:v", "libvpx", "-deadline", "realtime", "-g", "10"], {Start.KEY}),
}


@pytest.mark.parametrize("name", KINDS)
def test_keyframes_are_told_from_recovery_points(tmp_path, name):
    options, expected = KINDS[name]
    video = write_video(tmp_path / name, "25", 60, *options)

    with av.open(str(video)) as container:
        reader = StartReader(container.streams.video[0])
        packets = [packet for packet in container.demux(video=0) if packet.size]
        found = [reader.read(packet) for packet in packets]

    flagged = [start for start, packet in zip(found, packets, strict=True) if packet.is_keyframe]
    assert len(flagged) > 1
    assert set(flagged) == expected
    assert found.count(Start.NONE) == 60 - len([start for start in flagged if start > Start.NONE])


@pytest.mark.parametrize(
    ("messages", "at_once"),
    [
        (b"\x06\x01\xc4\x80", True),  # recovery_frame_cnt 0: a single 1 bit
        (b"\x06\x02\x24\x40\x80", False),  # 001 00: 3
        (b"\x05\xff\x01" + bytes(256) + b"\x06\x01\xc4\x80", True),  # behind another message
        (b"\x05\x02\x00\x00\x80", False),
        (b"\x06", False),
        (b"\xff" * 20, False),
        (b"", False),
    ],
)
def test_recovery_from_which_no_frame_has_to_pass(messages, at_once):
    assert starts._recovers_at_once(messages) == at_once


def test_window_in_a_refreshed_video_begins_where_all_of_the_image_is_known(tmp_path):
    options = [*H264, "-bf", "0", "-x264-params", "intra-refresh=1:keyint=24"]
    video = write_video(tmp_path / "refresh.mp4", "25", 100, *options)

    cut = cut_clip(video, tmp_path, "clip", [(60, 70)], 0.0)

    with av.open(str(tmp_path / cut.path)) as container:
        num_packets = sum(bool(packet.size) for packet in container.demux(video=0))
    assert cut.path == "clip.nut"
    assert num_packets == 58  # from the first to frame 57, on screen at 69 / 30 s


def test_keyframe_under_a_header_that_came_earlier_is_no_start(tmp_path):
    """The header changes at frame 50; the keyframes behind it, at 74 and 96, repeat it not."""
    video = write_odd_video(tmp_path / "header_once.mp4")

    cut = cut_clip(video, tmp_path, "clip", [(1, 10)], 3.2)

    with av.open(str(tmp_path / cut.path)) as container:
        sizes = {(frame.width, frame.height) for frame in container.decode(video=0)}
    assert cut.status == "ok"
    assert sizes == {(320, 128)}
