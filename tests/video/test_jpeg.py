"""JPEGs made plane by plane show what the way through RGB shows."""

from itertools import product

import av
import cv2
import numpy as np
import pytest
import simplejpeg

from pipeline.video import jpeg
from pipeline.video.jpeg import is_plain, jpeg_planes, to_jpeg
from pipeline.video.look import Look
from pipeline.video.rgb import LUMA_WEIGHTS, to_rgb
from tests.counter_videos import ffmpeg


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A smooth, colourful frame per size; nothing in it leaves the colours of a screen."""
    folder = tmp_path_factory.mktemp("jpeg")
    found = {}
    for size in ("340x256", "341x255", "1280x720"):
        source = f"mandelbrot=s={size},boxblur=4,hue=s=0.5,eq=contrast=0.7"
        ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "1", "-pix_fmt", "yuv420p",
               "-c:v", "ffv1", folder / f"{size}.mkv")  # fmt: skip
        with av.open(str(folder / f"{size}.mkv")) as container:
            found[size] = next(container.decode(video=0))
    return found


@pytest.mark.parametrize("size", ["340x256", "341x255", "1280x720"])
@pytest.mark.parametrize(("matrix", "full_range"), list(product(LUMA_WEIGHTS, [False, True])))
def test_planes_show_the_same_as_rgb(frames, size, matrix, full_range):
    look = Look(matrix=matrix, full_range=full_range)
    frame = frames[size]

    y, u, v = jpeg_planes(frame, look, 256)
    height, width = y.shape
    assert u.shape == v.shape == ((height + 1) // 2, (width + 1) // 2)
    chroma = [cv2.resize(plane, (width, height)).astype(float) - 128 for plane in (u, v)]
    red, blue = y + 1.402 * chroma[1], y + 1.772 * chroma[0]
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    shown = np.clip(np.stack([red, green, blue], axis=2), 0, 255)

    assert np.abs(shown - to_rgb(frame, look, 256)).mean() < 1.5


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", LUMA_WEIGHTS)
def test_planes_are_those_of_the_textbook(matrix, full_range):
    """Colours of ITU-T H.273 to RGB, and from there to those of JPEG (ITU-T T.871)."""
    y, u, v = (
        each.ravel().astype(np.uint8)
        for each in np.meshgrid([16, 17, 120, 235], *[[90, 128, 170]] * 2)
    )
    frame = av.VideoFrame(2 * len(y), 2, "yuv420p")
    for plane, values in zip(frame.planes, (np.tile(y.repeat(2), (2, 1)), u, v), strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = values
        plane.update(padded.tobytes())
    red, blue = LUMA_WEIGHTS[matrix]
    luma = y / 255 if full_range else (y - 16.0) / 219
    cb, cr = ((each - 128.0) / (255 if full_range else 224) for each in (u, v))
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    shown = 0.299 * r + 0.587 * g + 0.114 * b
    expected = shown, (b - shown) / 1.772 + 128 / 255, (r - shown) / 1.402 + 128 / 255

    made = jpeg_planes(frame, Look(matrix=matrix, full_range=full_range), 256)

    rounded = 0.51 if matrix == "bt601" else 1.01  # once; luma of the others twice
    for plane, levels in zip((made[0][:, ::2], *made[1:]), expected, strict=True):
        assert np.abs(plane - np.clip(255 * levels, 0, 255)).max() < rounded


@pytest.mark.parametrize("size", [(12, 17), (13, 16), (13, 17)])
def test_pixels_of_odd_pictures_stay_in_place(size, monkeypatch):
    height, width = size
    luma = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    monkeypatch.setattr(jpeg, "jpeg_planes", lambda *_: (luma, chroma, chroma))

    made = to_jpeg(av.VideoFrame(width, height, "yuv420p"), Look(), 320, 100)

    shown = simplejpeg.decode_jpeg(made.encoded, "GRAY")[..., 0]
    assert np.abs(shown.astype(int) - luma).max() <= 4


def test_jpeg_of_a_plain_picture_is_close_to_that_through_rgb(frames):
    frame, look = frames["1280x720"], Look(matrix="bt709")

    made = to_jpeg(frame, look, 320, 95)

    image = simplejpeg.decode_jpeg(made.encoded)
    assert image.shape == (made.height, made.width, 3) == (320, 569, 3)
    assert np.abs(image.astype(int) - to_rgb(frame, look, 320)).mean() < 2


@pytest.mark.parametrize("size", [(12, 17), (13, 16), (13, 17)])
def test_jpeg_does_not_show_what_lies_behind_odd_planes(size, monkeypatch):
    height, width = size
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 90, np.uint8)
    encoded = set()
    for behind in (0, 100, 255):
        memory = np.full((height + 1, width + 1), behind, np.uint8)
        memory[:height, :width] = 100
        planes = memory[:height, :width], chroma, chroma
        monkeypatch.setattr(jpeg, "jpeg_planes", lambda *_, planes=planes: planes)
        encoded.add(to_jpeg(av.VideoFrame(width, height, "yuv420p"), Look(), 320, 90).encoded)

    assert len(encoded) == 1
    assert simplejpeg.decode_jpeg(*encoded).shape == (height, width, 3)


@pytest.mark.parametrize(
    "look",
    [Look(rotation_degrees=90), Look(mirrored=True), Look(matrix="bt2020", transfer="pq")],
)
def test_other_pictures_go_through_rgb(frames, look):
    frame = frames["341x255"]

    made = to_jpeg(frame, look, 128, 100)

    assert not is_plain(frame, look)
    assert is_plain(frame, Look())
    assert not is_plain(frame.reformat(format="yuv444p"), Look())
    expected = to_rgb(frame, look, 128)
    image = simplejpeg.decode_jpeg(made.encoded)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 3
