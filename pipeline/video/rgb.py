"""Turn decoded frames into upright RGB: colour matrix, range, size, rotation.

Sizes shrink by averaging areas, and never grow. Pixels that are not square stay as they are stored:
boxes are fractions of the frame, so nothing is lost, and the published frames did the same.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from pipeline.video.hdr import to_standard_range
from pipeline.video.look import Look

Image = npt.NDArray[np.uint8]

_COLORSPACES = {
    "bt601": Colorspace.ITU601,
    "bt709": Colorspace.ITU709,
    "bt2020": Colorspace.BT2020,
    "fcc": Colorspace.FCC,
    "smpte240m": Colorspace.SMPTE240M,
}
# Uncompressed formats whose bytes swscale (of ffmpeg 8.1) swaps wrongly on the way to RGB alone.
_SWAPPED = {
    f"{order}{bits}be": f"{order}{bits}le" for order in ("rgb", "bgr") for bits in (555, 565)
}
# What red and blue weigh in luma (H.273, kr and kb).
LUMA_WEIGHTS = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
}


def shrunk_size(width: int, height: int, short_side_px: int) -> tuple[int, int]:
    """Width and height with the shorter one at most `short_side_px`, sides rounded half up."""
    short = min(width, height)
    if short <= short_side_px:
        return width, height
    # The long side must not round to the short one's factor: one factor, as mmcv's `rescale_size`.
    factor = short_side_px / short
    return int(width * factor + 0.5), int(height * factor + 0.5)


def to_rgb(frame: VideoFrame, look: Look, short_side_px: int) -> Image:
    """Convert a decoded frame.

    Returns: [height, width, 3] upright RGB, 0..255, contiguous.
    """
    is_hdr = look.transfer != "sdr"
    if (swapped := _SWAPPED.get(frame.format.name)) is not None:
        frame = frame.reformat(format=swapped, threads=1)
    # At its own size chroma is repeated, not interpolated: JPEG's halving then gives back just
    # what the video held.
    plain: npt.NDArray[Any] = frame.reformat(
        format="rgb48le" if is_hdr else "rgb24",
        src_colorspace=_COLORSPACES[look.matrix],
        src_color_range=ColorRange.JPEG if look.full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    ).to_ndarray()
    size = shrunk_size(frame.width, frame.height, short_side_px)
    if size != (frame.width, frame.height):
        plain = cv2.resize(plain, size, interpolation=cv2.INTER_AREA)
    image = (
        to_standard_range(plain, look.transfer) if is_hdr else plain.astype(np.uint8, copy=False)
    )
    if look.mirrored:
        image = image[:, ::-1]
    return np.ascontiguousarray(np.rot90(image, -look.rotation_degrees // 90))
