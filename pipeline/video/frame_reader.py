"""Decode a cut clip once and lay its frames on the grid of stored frames.

Stored frame n shows what is on screen at clip time (n - 1) / 30 s: the last frame that comes on
screen no later than that, give or take the rounding of containers. Before the first frame counts
the first; after the last one has had its time there are no frames.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.sampling import FPS
from pipeline.video.cut_table import Cut
from pipeline.video.deinterlace import Deinterlacer
from pipeline.video.video import TOLERANCE_SECONDS, encoded_packets, opened, read_timeline, reason


@dataclass
class Damage:
    """Counts what could not be decoded."""

    num_packets: int = 0
    last_reason: str = ""

    def __str__(self) -> str:
        if not self.num_packets:
            return ""
        return f"{self.num_packets} packets could not be decoded ({self.last_reason})"


def read_frames(
    path: Path, cut: Cut, numbers: Iterable[int], damage: Damage
) -> Iterator[tuple[VideoFrame, list[int]]]:
    """Decode each frame that some stored frame shows, once.

    Args:
        path: the cut file.
        numbers: stored frames wanted, ascending.
        damage: where broken packets are counted; what can be decoded is delivered.

    Yields: a frame and the stored frames that show it, both in the order of time. Frames after
        the end of the video are left out.
    """
    wanted = iter(numbers)
    number = next(wanted, None)

    def due(until_seconds: float) -> list[int]:
        nonlocal number
        found = []
        while number is not None and (
            cut.zero_seconds + (number - 1) / FPS + TOLERANCE_SECONDS < until_seconds
        ):
            found.append(number)
            number = next(wanted, None)
        return found

    held: VideoFrame | None = None
    for frame, seconds in _shown_frames(path, cut, damage):
        # A frame's time ends when the next one comes; the first one's began long ago.
        if held is not None and (found := due(seconds)):
            yield held, found
            if number is None:
                return
        held = frame
    if held is not None and (found := due(cut.shown_until_seconds)):
        yield held, found


def _shown_frames(path: Path, cut: Cut, damage: Damage) -> Iterator[tuple[VideoFrame, float]]:
    """Yield frames that a player would show, and the file times at which they come on screen.

    The frames' own `time` is that one, too.
    """
    times = iter(read_timeline(path).shown_seconds) if cut.timing == "order" else None
    with opened(path) as (container, stream):
        tick = float(stream.time_base or 0)
        for frame in _decoded(encoded_packets(container, stream), stream, cut, damage):
            if not frame.time_base and stream.time_base:
                frame.time_base = stream.time_base  # of those that the decoder held back
            if times is not None:
                seconds = float(next(times, float("nan")))
                if seconds == seconds:
                    frame.pts = round(seconds / float(frame.time_base or tick))
            elif frame.pts is not None:
                seconds = frame.pts * float(frame.time_base or tick)
            else:
                continue
            if cut.shown_from_seconds <= seconds + tick / 2 < cut.shown_until_seconds:
                yield frame, seconds


def _decoded(
    packets: Iterator["Packet[VideoStream]"], stream: VideoStream, cut: Cut, damage: Damage
) -> Iterator[VideoFrame]:
    joins = cut.join_numbers - {0}
    opening_tick = _opening_tick(stream, cut)
    deinterlacer = Deinterlacer(stream.time_base or Fraction(1, FPS))
    try:
        for number, packet in enumerate(packets):
            if number in joins:  # what follows must not lean on frames from before the gap
                yield from _decode(stream, None, deinterlacer, damage)
                stream.codec_context.flush_buffers()
            if opening_tick is not None:
                early = packet.pts is not None and packet.pts < opening_tick
                skips = early and not deinterlacer.is_active  # that looks at the frames around
                stream.codec_context.skip_frame = "NONREF" if skips else "DEFAULT"
            yield from _decode(stream, packet, deinterlacer, damage)
    except av.error.FFmpegError as error:  # from reading: nothing more will come
        damage.num_packets += 1
        damage.last_reason = reason(error)
    yield from _decode(stream, None, deinterlacer, damage)


def _opening_tick(stream: VideoStream, cut: Cut) -> float | None:
    """Before this tick, frames that no other frame leans on need no decoding.

    Only H.264 says so of each frame for sure; None where it cannot be known.
    """
    known = cut.timing == "pts" and stream.codec_context.name == "h264"
    if not known or cut.shown_from_seconds == float("-inf") or not stream.time_base:
        return None
    return cut.shown_from_seconds / float(stream.time_base) - 0.5


def _decode(
    stream: VideoStream,
    packet: "Packet[VideoStream] | None",
    deinterlacer: Deinterlacer,
    damage: Damage,
) -> list[VideoFrame]:
    """Return whole frames that come out when a packet goes in; all that are left for None."""
    frames: list[VideoFrame] = []
    try:
        for frame in stream.codec_context.decode(packet):
            frames += deinterlacer.push(frame)
        if packet is None:
            frames += deinterlacer.flush()
    except av.error.FFmpegError as error:
        damage.num_packets += 1
        damage.last_reason = reason(error)
    return frames
