"""People's own files, in every encoding at hand: stored frames are those of a plain decode."""

import av
import numpy as np
import pytest
import simplejpeg

from pipeline.settings.sections import ExtractFrames
from pipeline.video.cutting import cut_clip
from pipeline.video.frame_reader import Damage, read_frames
from pipeline.video.frame_store import FrameStoreWriter
from pipeline.video.rgb import to_rgb
from pipeline.video.shard_extraction import extract_clip
from tests.counter_videos import ffmpeg

# Every file, and how many stored frames it lasts: its length x 30, rounded up.
FILES = {
    "codec/av1_video.mkv": 150,
    "codec/bt601_full_range.mp4": 60,
    "codec/discard_first_keyframe.mp4": 30,
    "codec/h264_10bits.mp4": 30,
    "codec/h265_video.mp4": 30,  # 10 a second
    "codec/nasa_13013_rotated.mp4": 17,
    "codec/test_non_zero_start.mp4": 12,
    "codec/testsrc2_12bit_hdr.mp4": 60,
    "codec/testsrc2_444_10bit_hevc.mp4": 30,
    "codec/testsrc2_mpeg4.mp4": 2,  # a single frame, of 0.04 s
    "codec/testsrc2_odd_height_and_width_444.mp4": 30,
    "codec/testsrc2_odd_height_and_width_vp9.mp4": 30,
    "codec/testsrc2_odd_width_mpeg2.mp4": 12,
    "codec/testsrc2_vp8.webm": 30,
    "people/acam_0902.mp4": 60,
    "people/lart_jump.mp4": 214,  # 24 a second
    "people/mma_demo_spatiotemporal_det.mp4": 285,  # 6 a second
    "people/mma_test.avi": 198,  # 25 a second, the first at 0.04 s
    "people/v_Basketball_g01_c02.mp4": 181,
    "people/v_Biking_g01_c01.mp4": 152,
    "people/v_Fencing_g01_c06.mp4": 209,
    "people/v_SalsaSpin_g03_c01.mp4": 202,
}
HDR = "codec/testsrc2_12bit_hdr.mp4"  # converted, with a note: the last two tests
PLAIN = sorted(set(FILES) - {HDR})

# Where the clip starts, in stored frames, and what is wanted of it.
CLIPS = {"whole": (0, [(1, 300)]), "middle": (15, [(1, 20), (40, 45), (120, 150)])}


def plain_frames(path):
    """When frames come on screen, in seconds, and the frames, as PyAV gives them without us."""
    with av.open(str(path)) as container:
        start = (container.start_time or 0) / 1e6
        frames = list(container.decode(video=0))
    times = sorted(frame.time - start for frame in frames)  # AVI: right times on the wrong frames
    return times, frames


def upright(frame):
    return np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90).astype(int)


def expected_numbers(name, part):
    offset, windows = CLIPS[part]
    wanted = [n for first, last in windows for n in range(first, last + 1)]
    return [n for n in wanted if offset + n <= FILES[name]]


def test_every_file_is_tested(external):
    folder = external("clips")

    found = {path.relative_to(folder).as_posix() for path in folder.glob("*/*")}

    assert found == set(FILES)


@pytest.mark.parametrize("part", CLIPS)
@pytest.mark.parametrize("name", PLAIN)
def test_frames_are_those_of_a_plain_decode(external, tmp_path, name, part):
    video = external("clips") / name
    offset, windows = CLIPS[part]
    numbers = expected_numbers(name, part)
    times, plain = plain_frames(video)

    cut = cut_clip(video, tmp_path, "clip", windows, offset / 30)
    damage, shown_numbers = Damage(), []
    for frame, shown in read_frames(tmp_path / cut.path, cut, numbers, damage) if numbers else ():
        image = to_rgb(frame, cut.look, 4000).astype(int)
        shown_numbers += shown
        for number in shown:
            place = np.searchsorted(times, (offset + number - 1) / 30 + 0.001, side="right") - 1
            assert np.abs(image - upright(plain[max(place, 0)])).mean() < 2

    assert shown_numbers == numbers
    assert (cut.status, damage.num_packets) == ("ok" if numbers else "damaged", 0)


@pytest.mark.parametrize("name", PLAIN)
def test_first_frame_is_the_one_that_ffmpeg_shows(external, tmp_path, name):
    video = external("clips") / name
    shown = ffmpeg("-i", video, *["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])

    cut = cut_clip(video, tmp_path, "clip", [(1, 1)], 0.0)
    frame, _ = next(read_frames(tmp_path / cut.path, cut, [1], Damage()))
    image = to_rgb(frame, cut.look, 4000)

    expected = np.frombuffer(shown, dtype=np.uint8).reshape(image.shape)
    # Hard edges between colours: the two ways of enlarging its ten-bit chroma differ by more.
    limit = 3 if name == "codec/h264_10bits.mp4" else 2
    assert np.abs(image.astype(int) - expected).mean() < limit


def test_hdr_file_is_converted_with_a_note(external, tmp_path):
    cut = cut_clip(external("clips") / HDR, tmp_path, "clip", [(1, 300)], 0.0)
    settings = ExtractFrames(short_side_px=64, jpeg_quality=85)

    with FrameStoreWriter(tmp_path / "00.tar", tmp_path / "00.parquet") as store:
        report = extract_clip(cut, tmp_path, list(range(1, 61)), store, settings)

    assert (report.status, report.frames_stored) == ("ok", 60)
    assert report.reason == "PQ brightness was mapped to an ordinary screen's"
    assert simplejpeg.decode_jpeg((tmp_path / "00.tar").read_bytes()[512:]).shape == (64, 114, 3)


def test_hdr_frames_are_those_of_a_plain_decode_in_other_brightness(external, tmp_path):
    video = external("clips") / HDR
    _, plain = plain_frames(video)
    encoded = np.array([upright(frame).ravel() for frame in plain])

    cut = cut_clip(video, tmp_path, "clip", [(1, 60)], 0.0)
    images = {
        number: to_rgb(frame, cut.look, 4000).astype(int).ravel()
        for frame, shown in read_frames(tmp_path / cut.path, cut, range(1, 61), Damage())
        for number in shown
    }

    assert list(images) == list(range(1, 61))
    for number in (1, 2, 30, 59, 60):
        likeness = np.corrcoef(images[number], encoded)[0, 1:]
        assert likeness.argmax() == number - 1
        assert likeness.max() > 0.9
