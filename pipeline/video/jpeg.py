"""Make stored JPEGs of decoded frames.

JPEG keeps what video keeps: luma, and chroma at half the size. Ordinary frames (8 bits, 4:2:0,
upright) therefore go from plane to plane and never become RGB; all others do, see `rgb.py`.
Shrinking averages areas, which gives the same image before or after a change of colours. What comes
out is a plain baseline JPEG, upright, that every reader shows alike.

Y luma, U and V chroma (Cb and Cr).
"""

from functools import cache
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from pipeline.video.look import Look
from pipeline.video.rgb import LUMA_WEIGHTS, Image, shrunk_size, to_rgb

Floats = npt.NDArray[np.float64]

# From video's range (luma 16..235, chroma 16..240) to JPEG's: factor and offset.
_FULL_LUMA: Floats = np.array([[255 / 219, -16 * 255 / 219]])
_FULL_CHROMA: Floats = np.array([[255 / 224, 128 - 128 * 255 / 224]])


class Jpeg(NamedTuple):
    encoded: bytes
    width: int
    height: int


def to_jpeg(frame: VideoFrame, look: Look, short_side_px: int, quality: int) -> Jpeg:
    """Code a decoded frame, its shorter side at most `short_side_px`.

    Args:
        quality: 1 to 100, as libjpeg counts.

    Returns: the JPEG, its width and height in pixels.
    """
    if is_plain(frame, look):
        y, u, v = jpeg_planes(frame, look, short_side_px)
        height, width = y.shape
        return Jpeg(encode_planes(y, u, v, quality), width, height)
    image = to_rgb(frame, look, short_side_px)
    height, width, _ = image.shape
    return Jpeg(encode_rgb(image, quality), width, height)


def encode_rgb(image: Image, quality: int) -> bytes:
    """Return the JPEG of an image [H, W, 3], RGB, 0..255."""
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", "420")
    return encoded


def encode_planes(y: Image, u: Image, v: Image, quality: int) -> bytes:
    """Return the JPEG of three planes.

    Args:
        y: [H, W] luma, 0 to 255.
        u: [H / 2, W / 2] blue difference, halves rounded up.
        v: [H / 2, W / 2] red difference.
        quality: 1 to 100.
    """
    encoded: bytes = simplejpeg.encode_jpeg_yuv_planes(_with_even_sides(y), u, v, quality)
    return encoded


def is_plain(frame: VideoFrame, look: Look) -> bool:
    """Return whether a frame's planes are those of a JPEG but for size, range and matrix."""
    upright = not look.mirrored and look.rotation_degrees == 0
    fits = frame.format.name in ("yuv420p", "yuvj420p") and min(frame.width, frame.height) > 1
    return upright and fits and look.transfer == "sdr"


def jpeg_planes(frame: VideoFrame, look: Look, short_side_px: int) -> tuple[Image, Image, Image]:
    """Shrink a plain frame and give it JPEG's colours: BT.601, full range.

    Returns: Y [height, width], U and V [height / 2, width / 2], halves rounded up.
    """
    width, height = shrunk_size(frame.width, frame.height, short_side_px)
    y, u, v = (_pixels(plane) for plane in frame.planes)
    if (width, height) != (frame.width, frame.height):
        half = (width + 1) // 2, (height + 1) // 2
        y, u, v = _shrunk(y, (width, height)), _shrunk(u, half), _shrunk(v, half)
    if look.matrix != "bt601":
        return _other_matrix(y, u, v, look)
    if look.full_range:
        return y, u, v
    return _changed(y, _FULL_LUMA), _changed(u, _FULL_CHROMA), _changed(v, _FULL_CHROMA)


def _with_even_sides(y: Image) -> Image:
    """Return the same pixels; where a side is odd, its last row or column stands behind them again.

    TurboJPEG reads luma up to even sides: without that, whatever lies there in memory would show in
    the last blocks, and equal frames would give unequal bytes.
    """
    height, width = y.shape
    if height % 2 == width % 2 == 0:
        return y
    edge = cv2.copyMakeBorder(y, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return cast(Image, edge[:height, :width])


def _shrunk(plane: Image, size: tuple[int, int]) -> Image:
    return cast(Image, cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def _pixels(plane: VideoPlane) -> Image:
    rows = np.frombuffer(plane, dtype=np.uint8)  # type: ignore[call-overload]
    pixels: Image = rows.reshape(plane.height, plane.line_size)[:, : plane.width]
    return pixels


def _changed(plane: Image, change: Floats) -> Image:
    """Return [1, 2] factor and offset applied to a plane, rounded and clipped to 0..255."""
    return cast(Image, cv2.transform(plane, change))  # half the time of addWeighted, same pixels


def _mixed(
    first: Image, second: Image, factors: tuple[float, float], zero_in: float, zero_out: float
) -> Image:
    """Weighted sum of two planes whose zero is `zero_in`, rounded and clipped to 0..255."""
    moved = zero_out - sum(factors) * zero_in
    return cast(Image, cv2.addWeighted(first, factors[0], second, factors[1], moved))


def _other_matrix(y: Image, u: Image, v: Image, look: Look) -> tuple[Image, Image, Image]:
    height, width = y.shape
    luma_gain, chroma_gain, black = (1.0, 1.0, 0) if look.full_range else (255 / 219, 255 / 224, 16)
    (_, yu, yv), (_, uu, uv), (_, vu, vv) = chroma_gain * _to_bt601(look.matrix)
    # What chroma adds to luma: at half the size, then repeated as a player would.
    added = cv2.addWeighted(u, yu, v, yv, -128 * (yu + yv) - black * luma_gain, dtype=cv2.CV_16S)
    size = 2 * u.shape[1], 2 * u.shape[0]
    added = cv2.resize(added, size, interpolation=cv2.INTER_NEAREST)[:height, :width]
    luma = cv2.addWeighted(y, luma_gain, added, 1.0, 0.0, dtype=cv2.CV_8U)
    return cast(Image, luma), _mixed(u, v, (uu, uv), 128, 128), _mixed(u, v, (vu, vv), 128, 128)


@cache
def _to_bt601(matrix: str) -> Floats:
    """Return [3, 3] takes full-range Y, U, V under a matrix to those under BT.601."""
    change: Floats = _from_rgb("bt601") @ np.linalg.inv(_from_rgb(matrix))
    return change


def _from_rgb(matrix: str) -> Floats:
    # ITU-T H.273: U = (B - Y) / (2 (1 - kb)), V = (R - Y) / (2 (1 - kr)).
    red, blue = LUMA_WEIGHTS[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    u = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    v = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    return np.stack([luma, u, v])
