"""Tell from the encoded bytes where decoding can start.

A container flags packets as keyframes, but may flag recovery points of periodic intra refresh, too:
decoded from there, parts of the image stay undefined for many frames.
"""

from collections.abc import Iterator
from enum import IntEnum

from av.packet import Packet
from av.video.stream import VideoStream

_H264_SLICES, _H264_IDR, _H264_SEI = range(1, 6), 5, 6
_HEVC_KEYS, _HEVC_IDR = range(16, 24), (19, 20)
_RECOVERY_POINT = 6  # the kind of an SEI message


class Start(IntEnum):
    """What decoding from a packet on gives; the higher, the surer."""

    NONE = 0  # an incomplete image
    KEY = 1  # this image, and all that are shown later
    CLOSED = 2  # proved by the bytes: all that are decoded later


class StartReader:
    """Tells it of the packets of one stream."""

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        self._codec = context.codec.canonical_name
        header = bytes(context.extradata or b"")
        # ISO 14496-15: the header of a stream whose NAL units come with their lengths begins with
        # 1, and tells how many bytes a length has. Others come with start codes.
        place = {"h264": 4, "hevc": 21}.get(self._codec)
        has_lengths = place is not None and len(header) > place and header[0] == 1
        self._length_size = (header[place] & 3) + 1 if has_lengths and place is not None else 0

    def read(self, packet: "Packet[VideoStream]") -> Start:
        """Return what a packet is; NONE where the container flags no keyframe."""
        if not packet.is_keyframe:
            return Start.NONE
        if self._codec not in ("h264", "hevc"):
            return Start.KEY
        units = _units(memoryview(packet), self._length_size)
        return _h264_start(units) if self._codec == "h264" else _hevc_start(units)


def _h264_start(units: Iterator[memoryview]) -> Start:
    start = Start.NONE
    for unit in units:
        kind = unit[0] & 31
        if kind == _H264_SEI and _recovers_at_once(bytes(unit[1:])):
            start = Start.KEY
        if kind in _H264_SLICES:
            return Start.CLOSED if kind == _H264_IDR else start
    return Start.NONE


def _hevc_start(units: Iterator[memoryview]) -> Start:
    for unit in units:
        kind = unit[0] >> 1 & 63
        if kind < 32:  # a slice
            if kind in _HEVC_IDR:
                return Start.CLOSED
            return Start.KEY if kind in _HEVC_KEYS else Start.NONE
    return Start.NONE


def _recovers_at_once(messages: bytes) -> bool:
    """Return whether SEI messages name a recovery point from which no frame has to pass."""
    place = 0
    while place < len(messages):
        kind, place = _number(messages, place)
        size, place = _number(messages, place)
        if kind == _RECOVERY_POINT and place < len(messages):
            return messages[place] >= 128  # Exp-Golomb: 0 is a single 1 bit
        place += size
    return False


def _number(messages: bytes, place: int) -> tuple[int, int]:
    """Return a number of an SEI message, and the place behind it: bytes of 255 are continued."""
    number = 0
    while messages[place : place + 1] == b"\xff":
        number, place = number + 255, place + 1
    return number + int.from_bytes(messages[place : place + 1]), place + 1


def _units(data: memoryview, length_size: int) -> Iterator[memoryview]:
    """Yield the NAL units of a packet that are not empty."""
    if length_size:
        place = 0
        while place + length_size < len(data):
            begin = place + length_size
            place = begin + int.from_bytes(data[place:begin], "big")
            if place > begin:
                yield data[begin:place]
        return
    encoded = bytes(data)
    begin = encoded.find(b"\0\0\1")
    while begin >= 0:
        end = encoded.find(b"\0\0\1", begin + 3)
        if len(encoded) > begin + 3:
            yield data[begin + 3 : end if end >= 0 else len(data)]
        begin = end
