"""Compare a cut file with its source: both must give the same image.

H, W pixels.
"""

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av.error
import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.video.video import Timeline, encoded_packets, opened


@dataclass(frozen=True)
class Probe:
    """Which image of a source to compare.

    Attributes:
        first, last: packets to decode in the source.
        seconds: file time at which the image comes on screen.
    """

    first: int
    last: int
    seconds: Fraction


def probe(timeline: Timeline, keep: npt.NDArray[np.bool_], opening: int) -> Probe:
    """Choose what to compare: the first wanted frame, decoded from one keyframe earlier.

    Where the cut begins as the source does, or at a packet whose bytes prove that nothing leans on
    what lies before, all later images follow from the bytes that were copied. The packet's own
    image is then enough to see that the codec's headers came along, for a fraction of the cost.

    Args:
        keep: [N] which packets were copied.
        opening: tick of the first wanted frame.
    """
    begin = int(np.argmax(keep))
    if (begin == 0 or timeline.is_closed[begin]) and not timeline.is_hidden[begin]:
        return Probe(begin, begin, int(timeline.pts[begin]) * timeline.time_base)
    earlier = np.flatnonzero(timeline.is_key[:begin])
    position = int(np.flatnonzero((timeline.pts == opening) & keep)[0])
    return Probe(int(earlier[-1]) if earlier.size else 0, position, opening * timeline.time_base)


class FrameFinder:
    """Decodes packets of a track until the frame that comes on screen at `seconds` is there."""

    def __init__(self, stream: VideoStream, seconds: Fraction) -> None:
        self._context = stream.codec_context
        self._tick = round(seconds / (stream.time_base or 1))
        self._context.flush_buffers()
        self._frame: VideoFrame | None = None

    def push(self, packet: "Packet[VideoStream] | None") -> None:
        """Decode a packet, or, for None, all that the decoder holds back."""
        if self._frame is not None:
            return
        with suppress(av.error.FFmpegError):  # damage: told when the frames are stored
            for frame in self._context.decode(packet):
                if frame.pts == self._tick:
                    self._frame = frame
                    return

    def found(self) -> VideoFrame | None:
        """Return the frame, or None if it did not come."""
        self.push(None)
        self._context.flush_buffers()
        return self._frame


def is_faithful(
    expected: VideoFrame | None, target: Path, num_packets: int, seconds: Fraction
) -> bool:
    """Return whether a cut file gives the image that its source gave.

    Args:
        expected: the source's frame; None if it could not be decoded.
        target: the cut file.
        num_packets: how many of its packets to decode.
        seconds: when the image comes on screen, as the cut file counts.
    """
    with opened(target) as (container, stream):
        finder = FrameFinder(stream, seconds)
        for packet in islice(encoded_packets(container, stream), num_packets):
            finder.push(packet)
        found = finder.found()
        if expected is None or found is None:
            return expected is found
        return np.array_equal(_rgb(expected), _rgb(found))


def _rgb(frame: VideoFrame) -> npt.NDArray[np.generic]:
    """Return [H, W, 3]."""
    return frame.reformat(format="rgb24", threads=1).to_ndarray()
