"""A cut whose first wanted frame is not the source's is given up for the source itself."""

from fractions import Fraction

import numpy as np
import pytest

from pipeline.video import cutting, video
from pipeline.video.cutting import cut_clip
from pipeline.video.frame_reader import Damage, read_frames
from pipeline.video.rgb import to_rgb
from pipeline.video.starts import Start, StartReader
from tests.counter_videos import H264, read_number, write_video

GIVEN_UP = "kept whole: cut out, its first frame is another one"


def first_number(folder, cut, number):
    frame, _ = next(read_frames(folder / cut.path, cut, [number], Damage()))
    return read_number(to_rgb(frame, cut.look, 4000))


def test_recovery_point_taken_for_a_keyframe_is_found_out(tmp_path, monkeypatch):
    options = [*H264, "-bf", "0", "-x264-params", "intra-refresh=1:keyint=24"]
    source = write_video(tmp_path / "refresh.mp4", "25", 100, *options)
    believe = lambda self, packet: Start.KEY if packet.is_keyframe else Start.NONE  # noqa: E731
    monkeypatch.setattr(StartReader, "read", believe)

    cut = cut_clip(source, tmp_path, "clip", [(60, 70)], 0.0)

    assert (cut.path, cut.status, cut.reason) == ("clip.mp4", "ok", GIVEN_UP)
    assert first_number(tmp_path, cut, 60) == 49


@pytest.mark.parametrize("frames", [[(1, 20)], [(60, 70)]])
def test_lost_codec_header_is_found_out(tmp_path, monkeypatch, frames):
    """The header of another recording with the same settings decodes, but to another image."""
    source = write_video(tmp_path / "video.mp4", "25", 100, *H264, "-qp", "20")
    other = write_video(tmp_path / "other.mp4", "25", 10, *H264, "-qp", "20", "-vf", "pad=96:48")
    template = cutting.av.open

    class Swapped:
        """Writes the cut file under the other file's header."""

        def __init__(self, *arguments, **options):
            self._file = template(*arguments, **options)
            self._other = template(str(other))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()
            self._other.close()

        def add_stream_from_template(self, stream, opaque):
            return self._file.add_stream_from_template(self._other.streams.video[0], opaque=opaque)

        def mux(self, packet):
            self._file.mux(packet)

    monkeypatch.setattr(cutting, "av", type("av", (), {"open": Swapped, "error": video.av.error}))

    cut = cut_clip(source, tmp_path, "clip", frames, 0.0)

    assert (cut.path, cut.status, cut.reason) == ("clip.mp4", "ok", GIVEN_UP)
    first = frames[0][0]
    assert first_number(tmp_path, cut, first) == (first - 1) * 25 // 30


@pytest.mark.parametrize("start", [Start.KEY, Start.CLOSED])
def test_faithful_cut_is_kept(tmp_path, monkeypatch, start):
    source = write_video(tmp_path / "video.mp4", "25", 100, *H264, "-g", "10")
    monkeypatch.setattr(
        StartReader, "read", lambda self, packet: start if packet.is_keyframe else Start.NONE
    )

    cut = cut_clip(source, tmp_path, "clip", [(60, 70)], 0.0)

    assert (cut.path, cut.status, cut.reason) == ("clip.nut", "ok", "")


def test_many_windows_of_one_video_cost_in_proportion():
    """20,000 windows over 400,000 packets; a pass over all packets for each took minutes."""
    num_packets = 400_000
    timeline = video.Timeline(
        pts=np.arange(num_packets),
        durations=np.ones(num_packets, dtype=np.int64),
        is_key=np.arange(num_packets) % 10 == 0,
        is_closed=np.zeros(num_packets, dtype=bool),
        is_hidden=np.zeros(num_packets, dtype=bool),
        time_base=Fraction(1, 30),
        start_seconds=0.0,
        frame_seconds=1 / 30,
        is_whole=True,
        has_times=True,
        disorder="",
        damage="",
    )
    windows = [(20 * k + 1, 20 * k + 5) for k in range(20_000)]

    keep = cutting.packets_to_keep(timeline, windows, 0.0)

    assert keep.sum() == 20_000 * 5
