"""Choosing and copying the packets that a clip's frames need."""

from dataclasses import replace
from fractions import Fraction

import av
import av.error
import numpy as np
import pytest
from av.codec.codec import UnknownCodecError

from pipeline.video import cutting
from pipeline.video.cut_table import Cut, read_cuts, write_cuts
from pipeline.video.cutting import cut_clip, packets_to_keep
from pipeline.video.frame_reader import Damage, read_frames
from pipeline.video.rgb import to_rgb
from pipeline.video.video import Timeline
from tests.counter_videos import H264, ffmpeg, on_screen, read_number, write_video

# Decode order of an open group of frames at 10 a second. The second keyframe comes on screen at
# tick 6; the two packets after it are its leading frames, shown before it.
OPEN_GROUP = Timeline(
    pts=np.array([0, 3, 1, 2, 6, 4, 5, 9, 7, 8]),
    durations=np.ones(10, dtype=np.int64),
    is_key=np.arange(10) % 4 == 0,
    is_closed=np.zeros(10, dtype=bool),
    is_hidden=np.zeros(10, dtype=bool),
    time_base=Fraction(1, 10),
    start_seconds=0.0,
    frame_seconds=0.1,
    is_whole=True,
    has_times=True,
    disorder="",
    damage="",
)


def kept(windows, zero_seconds=0.0, timeline=OPEN_GROUP):
    return np.flatnonzero(packets_to_keep(timeline, windows, zero_seconds)).tolist()


def stored_numbers(folder, cut, numbers):
    """{stored frame: number read from its frame}."""
    frames = read_frames(folder / cut.path, cut, numbers, Damage())
    return {n: read_number(to_rgb(frame, cut.look, 4000)) for frame, shown in frames for n in shown}


def test_window_begins_at_its_keyframe_and_ends_with_its_last_picture():
    assert kept([(1, 2)]) == [0]  # clip time 0 to 1/30: tick 0
    assert kept([(19, 25)]) == [4, 5, 6, 7, 8, 9]  # 0.6 to 0.8: ticks 6 to 8, 9 is needed for them


def test_leading_pictures_need_the_keyframe_before():
    assert kept([(13, 15)]) == [0, 1, 2, 3, 4, 5]  # 0.4 to 0.47: tick 4


def test_windows_are_united():
    assert kept([(1, 2), (19, 19)]) == [0, 4]


def test_time_before_the_first_picture_shows_the_first():
    assert kept([(1, 3)], zero_seconds=-5.0) == [0]


def test_window_behind_the_end_needs_nothing():
    assert kept([(31, 40)]) == []  # the last frame leaves at 1.0


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("cutting") / "open_group.mkv"
    return write_video(path, "25", 200, *H264, "-x264-params", "open-gop=1:keyint=30:scenecut=0")


def test_any_single_frame_can_be_cut_out(video, tmp_path):
    times = [Fraction(k, 25) for k in range(200)]
    for number in range(1, 240, 7):
        cut = cut_clip(video, tmp_path, "one", [(number, number)], 0.0)
        expected = on_screen(Fraction(number - 1, 30), times)
        assert stored_numbers(tmp_path, cut, [number]) == {number: expected}


CODERS = {
    "h264.mp4": H264,
    "hevc.mp4": ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"],
    "mpeg4.mp4": ["-c:v", "mpeg4", "-bf", "2"],
    "mpeg2.ts": ["-c:v", "mpeg2video", "-bf", "2"],
    "vp8.webm": ["-c:v", "libvpx", "-deadline", "realtime"],
    "vp9.webm": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
    "av1.mkv": ["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8"],
}


@pytest.mark.parametrize("name", CODERS)
def test_every_codec_is_copied_packet_by_packet(name, tmp_path):
    video = write_video(tmp_path / name, "30", 30, *CODERS[name], "-g", "10")

    cut = cut_clip(video, tmp_path, "clip", [(14, 16)], 0.0)

    assert (cut.path, cut.status, cut.reason) == ("clip.nut", "ok", "")
    assert cut.bytes < video.stat().st_size
    assert stored_numbers(tmp_path, cut, [14, 15, 16]) == {14: 13, 15: 14, 16: 15}


@pytest.mark.parametrize("seconds", ["0.50", "0.53"])
def test_pictures_that_an_edit_list_hides_stay_hidden(tmp_path, seconds):
    whole = write_video(tmp_path / "whole.mp4", "30", 60, *H264, "-g", "60")
    ffmpeg("-ss", seconds, "-i", whole, "-c", "copy", tmp_path / "edited.mp4")
    with av.open(str(tmp_path / "edited.mp4")) as container:  # the decoder follows the edit list
        shown = [
            (frame.time, read_number(frame.to_ndarray(format="rgb24")))
            for frame in container.decode(video=0)
        ]

    cut = cut_clip(tmp_path / "edited.mp4", tmp_path, "clip", [(1, 20)], 0.0)

    assert shown[0][1] >= 15
    assert cut.path == "clip.nut"
    expected = {
        n: shown[on_screen(Fraction(n - 1, 30), [time for time, _ in shown])][1]
        for n in range(1, 21)
    }
    assert stored_numbers(tmp_path, cut, range(1, 21)) == expected


def test_start_of_the_file_is_clip_time_zero(tmp_path):
    video = write_video(tmp_path / "late.mkv", "25", 50, *H264, "-output_ts_offset", "7.3")

    cut = cut_clip(video, tmp_path, "clip", [(1, 3), (31, 31)], 0.4)

    assert cut.zero_seconds == pytest.approx(7.7, abs=1e-3)
    assert stored_numbers(tmp_path, cut, [1, 2, 3, 31]) == {1: 10, 2: 10, 3: 11, 31: 35}


def test_format_without_display_times_is_copied_whole_and_shown_in_order(tmp_path):
    coder = ["-c:v", "mpeg4", "-bf", "2", "-g", "12"]
    video = write_video(tmp_path / "b_frames.avi", "30", 60, *coder)

    cut = cut_clip(video, tmp_path, "clip", [(1, 50)], 0.0)

    assert cut.path == "clip.avi"
    assert cut.reason == "kept whole: no display times in this format"
    found = list(stored_numbers(tmp_path, cut, range(1, 51)).values())
    late = 51 - len(set(found))  # the coder's delay, as the file's start
    assert found[late:] == list(range(1, 51 - late))


def test_bare_stream_is_shown_at_its_own_rate(tmp_path):
    video = write_video(tmp_path / "bare.h264", "24", 48, *H264)

    cut = cut_clip(video, tmp_path, "clip", [(1, 61)], 0.0)

    assert (cut.path, cut.timing) == ("clip.h264", "order")
    found = stored_numbers(tmp_path, cut, range(1, 62))
    assert found == {n: (n - 1) * 24 // 30 for n in range(1, 61)}


def test_119_frames_give_119_stored_frames(tmp_path):
    video = write_video(tmp_path / "short.mp4", "30", 119)

    cut = cut_clip(video, tmp_path, "clip", [(1, 150)], 0.0)

    found = stored_numbers(tmp_path, cut, range(1, 151))
    assert found == {n: n - 1 for n in range(1, 120)}


def test_damaged_video_is_cut_as_far_as_it_goes(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", "30", 90, *H264, "-movflags", "+faststart")
    (tmp_path / "part.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 5])

    cut = cut_clip(tmp_path / "part.mp4", tmp_path, "clip", [(1, 90)], 0.0)

    assert cut.status == "damaged"
    assert "its header says 3.00 s" in cut.reason
    found = stored_numbers(tmp_path, cut, range(1, 91))
    assert 20 < len(found) < 80
    assert [found[n] for n in range(1, 20)] == list(range(19))


def test_broken_bytes_are_counted_not_fatal(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", "30", 90, *H264, "-movflags", "+faststart")
    encoded = bytearray(whole.read_bytes())
    middle = len(encoded) * 2 // 3
    encoded[middle : middle + 600] = bytes(600)
    (tmp_path / "broken.mp4").write_bytes(encoded)
    damage = Damage()

    cut = cut_clip(tmp_path / "broken.mp4", tmp_path, "clip", [(1, 90)], 0.0)
    frames = list(read_frames(tmp_path / cut.path, cut, range(1, 91), damage))

    assert damage.num_packets > 0
    assert "packets could not be decoded (Invalid data" in str(damage)
    assert sum(len(shown) for _, shown in frames) == 90


def test_clip_behind_the_end_of_its_video_gets_a_reason(tmp_path):
    video = write_video(tmp_path / "short.mp4", "30", 30)

    cut = cut_clip(video, tmp_path, "clip", [(16, 30)], 900.0)

    assert (cut.path, cut.status) == ("", "damaged")
    assert cut.reason == "the video ends at 1.00 s, the first wanted frame is at 900.50 s"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (UnknownCodecError("odd"), "codec odd"),
        (av.error.InvalidDataError(1094995529, "Invalid data"), "Invalid data"),
        (ValueError("'nut' format does not support 'odd' codec"),) * 2,
    ],
)
def test_video_whose_packets_cannot_be_copied_is_copied_whole(tmp_path, monkeypatch, error, why):
    video = write_video(tmp_path / "video.mp4", "30", 30)

    def fail(folder, row, *_):
        (folder / f"{row.clip}.nut").write_bytes(b"half")
        raise error

    monkeypatch.setattr(cutting, "_copy_packets", fail)
    cut = cut_clip(video, tmp_path, "clip", [(1, 20)], 0.0)

    why = str(why)
    assert cut.reason == f"kept whole: its packets cannot be copied ({why})"
    assert (cut.path, cut.status) == ("clip.mp4", "ok")
    assert not (tmp_path / "clip.nut").exists()
    assert stored_numbers(tmp_path, cut, [1, 20]) == {1: 0, 20: 19}


def test_table_of_cuts_survives_writing(tmp_path):
    plain = Cut("a, b")
    full = Cut("z", "z.nut", "damaged", 0.1 + 0.2, 0.5, 2.0, "3 9", "order", 90, 1, reason='"?"')

    write_cuts([full, plain], tmp_path / "cuts.csv")

    assert read_cuts(tmp_path / "cuts.csv") == [plain, full]
    assert full.join_numbers == {3, 9}
    assert replace(full, rotation_degrees=0).look.mirrored


def test_table_with_other_columns_is_refused(tmp_path):
    (tmp_path / "cuts.csv").write_text("clip,path\n")

    with pytest.raises(ValueError, match=r"cuts.csv: found columns \['clip', 'path'\], expected"):
        read_cuts(tmp_path / "cuts.csv")
