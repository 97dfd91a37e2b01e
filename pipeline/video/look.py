"""How the frames of a video are to be shown, told from its first one: turn, colours, range.

Needs no pixels: a job that only cuts videos loads no OpenCV.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, cast

import av.error
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

# How many packets may pass before the first frame comes out of the decoder.
_MOST_PACKETS = 200

# Numbers of ITU-T H.273. What says nothing counts as BT.601, as ffmpeg has it: the published frames
# were made that way, and most such files are small web videos.
_MATRICES = {1: "bt709", 4: "fcc", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_TRANSFERS = {16: "pq", 18: "hlg"}
_FULL_RANGE = 2


@dataclass(frozen=True)
class Look:
    """How the decoded frames of a video are to be shown.

    Attributes:
        rotation_degrees: 0, 90, 180 or 270 clockwise, after mirroring.
        mirrored: whether left and right change places first.
        matrix: "bt601", "bt709", "bt2020", "fcc" or "smpte240m".
        full_range: whether luma spans 0..255 rather than 16..235 (of 8 bits).
        transfer: "sdr", or the HDR curves "pq" and "hlg".
    """

    rotation_degrees: int = 0
    mirrored: bool = False
    matrix: str = "bt601"
    full_range: bool = False
    transfer: str = "sdr"


def read_look(packets: Iterable["Packet[VideoStream]"], stream: VideoStream) -> Look | None:
    """Decode the first frame and see how it is to be shown; None if there is none.

    The decoder joins what the container says with what the encoded stream says. A cut file keeps
    only the latter, which is why this is asked of the source.
    """
    frame = _first_frame(packets, stream)
    return None if frame is None else look_of(frame)


def look_of(frame: VideoFrame) -> Look:
    """Return how a frame that was decoded from the source is to be shown."""
    rotation, mirrored = _orientation(frame)
    return Look(
        rotation_degrees=rotation,
        mirrored=mirrored,
        matrix=_MATRICES.get(int(frame.colorspace), "bt601"),
        full_range=frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj"),
        transfer=_TRANSFERS.get(int(frame.color_trc), "sdr"),
    )


def _first_frame(
    packets: Iterable["Packet[VideoStream]"], stream: VideoStream
) -> VideoFrame | None:
    packets = iter(packets)
    try:
        first = list(islice(packets, 1))
        # Most often the first packet is a whole frame: asked for it at once, the decoder does not
        # wait for those that may come on screen before it.
        if (frame := _decoded_first([*first, None], stream)) is not None:
            return frame
        stream.codec_context.flush_buffers()
        more = islice(packets, _MOST_PACKETS - 1)
        return _decoded_first(chain(first, more, [None]), stream)
    except av.error.FFmpegError:
        return None  # the file breaks off


def _decoded_first(
    packets: Iterable["Packet[VideoStream] | None"], stream: VideoStream
) -> VideoFrame | None:
    """Return the first frame that comes out of the decoder; None hands out what it holds back."""
    for packet in packets:
        with suppress(av.error.FFmpegError):  # damaged here; the next packets may do
            for frame in stream.codec_context.decode(packet):
                return frame
    return None


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Clockwise degrees and mirroring of a display matrix (ISO 14496-12: x' = ax + cy, ...)."""
    data = cast(Any, frame.side_data.get("DISPLAYMATRIX"))
    if data is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].astype(float)
    mirrored = bool(a * d - b * c < 0)
    if mirrored:  # take the mirroring out: what is left is a turn
        a, b = -a, -b
    return round(np.degrees(np.arctan2(b, a)) / 90) % 4 * 90, mirrored
