"""Decoded frames become upright RGB in the right colours and size."""

import av
import numpy as np
import pytest

from pipeline.video.hdr import to_standard_range
from pipeline.video.look import Look, read_look
from pipeline.video.rgb import shrunk_size, to_rgb
from pipeline.video.video import opened
from tests.counter_videos import ffmpeg


def flat_frame(luma, blue, red, pixel_format="yuv420p", dtype=np.uint8):
    frame = av.VideoFrame(64, 48, pixel_format)
    for plane, value in zip(frame.planes, (luma, blue, red), strict=True):
        plane.update(np.full(plane.buffer_size // np.dtype(dtype).itemsize, value, dtype).tobytes())
    return frame


@pytest.mark.parametrize(
    ("look", "expected"),
    [  # Y 120, Cb 90, Cr 160: R = Y' + 2(1 - kr) V, B = Y' + 2(1 - kb) U, rest is G
        (Look(matrix="bt601"), (172, 110, 44)),
        (Look(matrix="bt709"), (178, 113, 41)),
        (Look(matrix="bt601", full_range=True), (165, 110, 53)),
        (Look(matrix="bt709", full_range=True), (170, 112, 49)),
    ],
)
def test_colours_follow_matrix_and_range(look, expected):
    image = to_rgb(flat_frame(120, 90, 160), look, 48)

    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - expected).max() <= 2


def test_ten_bits_give_the_same_colours():
    eight = to_rgb(flat_frame(120, 90, 160), Look(), 48)
    ten = to_rgb(flat_frame(480, 360, 640, "yuv420p10le", np.uint16), Look(), 48)

    assert np.abs(eight.astype(int) - ten).max() <= 2


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, (569, 320)),  # 1920 * 320 / 1080 = 568.9
        (1080, 1920, (320, 569)),
        (426, 320, (426, 320)),
        (340, 256, (340, 256)),  # never enlarged
        (641, 481, (426, 320)),  # 641 * 320 / 481 = 426.4
    ],
)
def test_short_side_is_capped_and_the_ratio_kept(width, height, expected):
    assert shrunk_size(width, height, 320) == expected


def test_shrinking_averages_areas():
    frame = av.VideoFrame.from_ndarray(np.tile(np.uint8([[0, 200]]), (8, 4)), format="gray")

    image = to_rgb(frame.reformat(format="rgb24"), Look(), 4)

    assert image.shape == (4, 4, 3)
    assert image.reshape(-1, 3) == pytest.approx(np.full((16, 3), 100))


DISPLAYS = ["-display_rotation 90", "-display_rotation 180", "-display_rotation -90"]
DISPLAYS += ["-display_hflip", "-display_vflip", "-display_rotation 90 -display_hflip"]


@pytest.mark.parametrize("display", DISPLAYS)
def test_pictures_are_turned_upright_as_ffmpeg_does(tmp_path, display):
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    frame = ["-f", "lavfi", "-i", "testsrc=s=64x48", "-frames:v", "1"]
    ffmpeg(*frame, "-pix_fmt", "yuv420p", plain)
    ffmpeg(*display.split(), "-i", plain, "-c", "copy", turned)
    raw = ffmpeg("-i", turned, *["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])

    with opened(turned) as (container, stream):
        look = read_look(container.demux(stream), stream)
    with opened(turned) as (container, _):
        image = to_rgb(next(container.decode(video=0)), look, 100)

    assert image.tobytes() == raw


def test_container_tells_colours_that_the_codec_does_not(tmp_path):
    video = tmp_path / "tagged.mkv"
    tags = ["-colorspace", "bt709", "-color_range", "pc"]
    coder = ["-pix_fmt", "yuv420p", "-c:v", "mpeg4", "-frames:v", "2"]
    ffmpeg(*["-f", "lavfi", "-i", "testsrc=s=64x48"], *coder, *tags, video)

    with opened(video) as (container, stream):
        look = read_look(container.demux(stream), stream)

    assert (look.matrix, look.full_range, look.transfer) == ("bt709", True, "sdr")


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_hdr_greys_stay_grey_and_in_order(transfer):
    levels = np.linspace(0, 65535, 64).astype(np.uint16)
    ramp = np.repeat(levels[None, :, None], 3, axis=2)

    grey = to_standard_range(ramp, transfer)[0].astype(int)

    assert (np.ptp(grey, axis=1) <= 1).all()
    assert (np.diff(grey[:, 0]) >= 0).all()
    assert grey[0, 0] == 0
    assert grey[-1, 0] == 255


def test_hdr_mid_grey_keeps_its_brightness():
    # PQ codes 36.5 cd/m2 (18 % of paper white) as 0.4109; a screen shows 0.18 as 0.18^(1/2.4).
    grey = np.full((1, 1, 3), round(0.4109 * 65535), dtype=np.uint16)

    assert to_standard_range(grey, "pq") == pytest.approx(np.full((1, 1, 3), 125), abs=1)


@pytest.mark.parametrize(
    ("light", "expected"),  # cd/m2; x of paper white, shown as 255 f(x)^(1/2.4)
    [
        (100, 190),  # x 0.493, below the knee
        (203, 241),  # x 1: f = 0.875, half of the room above the knee
        (500, 252),  # x 2.463: 6.85 times the room above the knee, f = 0.974
        (1000, 255),
        (4000, 255),
    ],
)
def test_hdr_highlights_roll_off_towards_white(light, expected):
    power = (light / 10000) ** (2610 / 16384)  # SMPTE ST 2084
    code = ((3424 + 32 * 2413 * power) / (4096 + 32 * 2392 * power)) ** (2523 / 32)
    grey = np.full((1, 1, 3), round(65535 * code), np.uint16)

    assert np.abs(to_standard_range(grey, "pq").astype(int) - expected).max() <= 1


def test_hlg_codes_paper_white_as_three_quarters():
    grey = np.full((1, 1, 3), round(0.75 * 65535), np.uint16)  # ITU-R BT.2408

    assert np.abs(to_standard_range(grey, "hlg").astype(int) - 241).max() <= 1


def test_pictures_too_large_for_the_memory_are_not_decoded(tmp_path, monkeypatch):
    video = tmp_path / "large.mp4"
    frame = ["-f", "lavfi", "-i", "testsrc=s=64x48", "-frames:v", "1"]
    ffmpeg(*frame, "-pix_fmt", "yuv420p", video)
    monkeypatch.setattr("pipeline.video.video._MOST_PIXELS", 64 * 48 - 1)

    with opened(video) as (container, stream):
        assert read_look(container.demux(stream), stream) is None
