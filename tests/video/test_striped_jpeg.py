"""Parts of striped JPEGs look as they do in the whole, and the whole as if coded in one piece."""

import io

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageOps

from pipeline.video.jpeg import encode_rgb
from pipeline.video.strip_reader import StripReader
from pipeline.video.striped_jpeg import STRIP_ROWS, join_strips

SIZES = [(340, 256), (341, 255), (64, 32), (65, 16), (96, 17), (33, 9), (32, 20), (7, 5), (700, 33)]


def noise(width, height):
    """[height, width, 3] coarse enough to survive coding, of all colours."""
    coarse = np.random.default_rng(width).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height))


@pytest.mark.parametrize("size", SIZES)
def test_strips_show_what_one_piece_shows(size):
    picture = noise(*size)
    lying = np.ascontiguousarray(picture.transpose(1, 0, 2))

    one_piece = simplejpeg.encode_jpeg(lying, 90, "RGB", "420")

    shown = simplejpeg.decode_jpeg(encode_rgb(picture, 90))
    assert np.array_equal(shown, simplejpeg.decode_jpeg(one_piece))


@pytest.mark.parametrize("size", SIZES)
def test_viewers_show_the_picture_upright(size):
    picture = noise(*size)

    coded = encode_rgb(picture, 95)

    expected = simplejpeg.decode_jpeg(coded).transpose(1, 0, 2)
    opencv = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR_RGB)
    pillow = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(coded))))
    for shown in (opencv, pillow):
        assert shown.shape == expected.shape == picture.shape
        assert np.abs(shown.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("size", SIZES)
def test_parts_show_what_the_whole_shows(size):
    width, height = size
    coded, reader = encode_rgb(noise(*size), 90), StripReader()
    whole = simplejpeg.decode_jpeg(coded)
    edges = {0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 200, width - 1, width}
    ranges = [range(a, b) for a in edges for b in edges if a < b <= width]
    assert ranges
    for rows in ranges:
        part, first = reader.part(coded, (width, height), rows)

        shown = simplejpeg.decode_jpeg(part)
        assert 0 <= rows.start - first <= STRIP_ROWS
        assert np.array_equal(
            shown[rows.start - first :][: len(rows)], whole[rows.start : rows.stop]
        )
        assert len(shown) <= len(rows) + 2 * STRIP_ROWS  # no more than it touches


def test_a_row_at_the_edge_of_its_strip_brings_the_one_beside():
    coded, reader = encode_rgb(noise(320, 64), 90), StripReader()

    def taken(row):
        part, first = reader.part(coded, (320, 64), range(row, row + 1))
        return first, first + simplejpeg.decode_jpeg_header(part)[0]

    assert taken(160) == (128, 192)
    assert taken(161) == taken(190) == (160, 192)
    assert taken(191) == (160, 224)
    assert (taken(0), taken(319)) == ((0, 32), (288, 320))


def test_how_a_still_lies_is_all_that_its_exif_says():
    coded = encode_rgb(noise(340, 256), 90)

    jfif, exif = coded[2:20], coded[20:56]
    assert (jfif[:2], exif[:2]) == (b"\xff\xe0", b"\xff\xe1")  # first and second segment
    assert int.from_bytes(exif[2:4], "big") + 2 == len(exif)
    assert dict(Image.open(io.BytesIO(coded)).getexif()) == {0x0112: 5}


def by_opencv(picture, *options):
    return cv2.imencode(".jpg", picture, list(options))[1].tobytes()


HALVED = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
FULL = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
EVERY = cv2.IMWRITE_JPEG_RST_INTERVAL


@pytest.mark.parametrize(
    "options",
    [HALVED, (*HALVED, EVERY, 3), (*FULL, EVERY, 8), (*FULL, EVERY, 4)],
    ids=["no markers", "markers within rows", "other blocks", "other blocks, like rows of these"],
)
def test_jpegs_that_cannot_be_entered_come_whole(options):
    coded = by_opencv(noise(64, 128), *options)

    assert StripReader().part(coded, (128, 64), range(40, 50)) == (coded, 0)


def test_strips_of_another_coder_are_taken_apart_too():
    coded = by_opencv(noise(64, 128), *HALVED, EVERY, 4)  # after each row of blocks

    part, first = StripReader().part(coded, (128, 64), range(50, 60))

    assert first == 48
    whole = simplejpeg.decode_jpeg(coded)
    assert np.array_equal(simplejpeg.decode_jpeg(part)[2:12], whole[50:60])


def test_one_reader_takes_any_jpeg():
    reader = StripReader()
    for width in (200, 300, 200):
        for quality in (50, 90):
            coded = encode_rgb(noise(width, 48), quality)
            part, first = reader.part(coded, (width, 48), range(100, 120))
            shown = simplejpeg.decode_jpeg(part)[100 - first : 120 - first]
            assert np.array_equal(shown, simplejpeg.decode_jpeg(coded)[100:120])


def test_another_size_is_told():
    with pytest.raises(ValueError, match=r"it has 200 x 48 pixels, expected \(48, 200\)"):
        StripReader().part(encode_rgb(noise(200, 48), 90), (48, 200), range(9))


def test_a_missing_strip_is_told():
    coded = encode_rgb(noise(200, 48), 90)
    second = coded.index(b"\xff\xd1")

    with pytest.raises(ValueError, match="found 2 strips, expected 7"):
        StripReader().part(coded[:second], (200, 48), range(9))


@pytest.mark.parametrize("stop", [0, 1, 3, 30, 200, 600])
def test_a_header_that_breaks_off_is_told(stop):
    with pytest.raises(ValueError, match="breaks off or is none of a baseline JPEG"):
        StripReader().part(encode_rgb(noise(200, 48), 90)[:stop], (200, 48), range(9))


def test_strips_that_are_coded_otherwise_are_refused():
    strips = [simplejpeg.encode_jpeg(noise(48, 32), quality, "RGB", "420") for quality in (80, 90)]

    with pytest.raises(ValueError, match="another width or other tables than the first"):
        join_strips(strips, 64)
    with pytest.raises(ValueError, match="another width or other tables than the first"):
        join_strips([strips[0], simplejpeg.encode_jpeg(noise(50, 32), 80, "RGB", "420")], 64)
