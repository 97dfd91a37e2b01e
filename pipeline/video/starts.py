"""Tell from the encoded bytes where decoding can start.

A container flags packets as keyframes, but may flag recovery points of periodic intra refresh, too:
decoded from there, parts of the image stay undefined for many frames.
"""

from collections.abc import Iterator
from enum import IntEnum

from av.packet import Packet
from av.video.stream import VideoStream

_H264_SLICES, _H264_IDR, _H264_SEI, _H264_HEADERS = range(1, 6), 5, 6, {7, 8}
_HEVC_SLICES, _HEVC_KEYS, _HEVC_IDR, _HEVC_HEADERS = range(32), range(16, 24), (19, 20), {33, 34}
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
        self._header = bytes(context.extradata or b"")
        # ISO 14496-15: the header of a stream whose NAL units come with their lengths begins with
        # 1, and tells how many bytes a length has. Others come with start codes.
        offset = {"h264": 4, "hevc": 21}.get(self._codec, 0)
        has_lengths = 0 < offset < len(self._header) and self._header[0] == 1
        self._length_size = (self._header[offset] & 3) + 1 if has_lengths else 0
        self._has_other_headers = False

    def read(self, packet: "Packet[VideoStream]") -> Start:
        """Return what a packet is; NONE where the container flags no keyframe."""
        if not packet.is_keyframe:
            return Start.NONE
        if self._codec not in ("h264", "hevc"):
            return Start.KEY
        is_h264 = self._codec == "h264"
        headers = _H264_HEADERS if is_h264 else _HEVC_HEADERS
        lead: list[tuple[int, memoryview]] = []  # up to the first slice
        for unit in _units(memoryview(packet), self._length_size):
            kind = unit[0] & 31 if is_h264 else unit[0] >> 1 & 63
            lead.append((kind, unit))
            if kind in headers and bytes(unit).rstrip(b"\0") not in self._header:
                self._has_other_headers = True
            if kind in (_H264_SLICES if is_h264 else _HEVC_SLICES):
                break
        if self._has_other_headers and not headers <= {kind for kind, _ in lead}:
            return Start.NONE  # those that count came with an earlier packet
        return _h264_start(lead) if is_h264 else _hevc_start(lead)


def _h264_start(lead: list[tuple[int, memoryview]]) -> Start:
    slices = [kind for kind, _ in lead if kind in _H264_SLICES]
    if _H264_IDR in slices:
        return Start.CLOSED
    messages = [bytes(unit[1:]) for kind, unit in lead if kind == _H264_SEI]
    return Start.KEY if slices and any(map(_recovers_at_once, messages)) else Start.NONE


def _hevc_start(lead: list[tuple[int, memoryview]]) -> Start:
    kind = lead[-1][0] if lead else -1
    if kind in _HEVC_IDR:
        return Start.CLOSED
    return Start.KEY if kind in _HEVC_KEYS else Start.NONE


def _recovers_at_once(messages: bytes) -> bool:
    """Return whether SEI messages name a recovery point from which no frame has to pass."""
    offset = 0
    while offset < len(messages):
        kind, offset = _number(messages, offset)
        size, offset = _number(messages, offset)
        if kind == _RECOVERY_POINT and offset < len(messages):
            return messages[offset] >= 128  # Exp-Golomb: 0 is a single 1 bit
        offset += size
    return False


def _number(messages: bytes, offset: int) -> tuple[int, int]:
    """Return a number of an SEI message, and the offset behind it: bytes of 255 are continued."""
    number = 0
    while messages[offset : offset + 1] == b"\xff":
        number, offset = number + 255, offset + 1
    return number + int.from_bytes(messages[offset : offset + 1]), offset + 1


def _units(data: memoryview, length_size: int) -> Iterator[memoryview]:
    """Yield the NAL units of a packet that are not empty."""
    if length_size:
        offset = 0
        while offset + length_size < len(data):
            begin = offset + length_size
            offset = begin + int.from_bytes(data[offset:begin], "big")
            if offset > begin:
                yield data[begin:offset]
        return
    encoded = bytes(data)
    begin = encoded.find(b"\0\0\1")
    while begin >= 0:
        end = encoded.find(b"\0\0\1", begin + 3)
        if len(encoded) > begin + 3:
            yield data[begin + 3 : end if end >= 0 else len(data)]
        begin = end
