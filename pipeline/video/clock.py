"""Let the clock of a broadcast go on where it starts again, as ffmpeg does.

MPEG transport and program streams may be joined at any byte: each recording brings its own times.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.stream import VideoStream

RESTART = "the clock starts again here"  # `opaque` of the first packet of another recording

# ffmpeg's limits: so far ahead, or so far back, a time is one of another clock.
_MOST_AHEAD_SECONDS = 10
_MOST_BACK_SECONDS = Fraction(1, 10)


def is_broadcast(container: InputContainer) -> bool:
    """Return whether a file is of a format whose clock may start again."""
    return Flags.ts_discont in Flags(container.format.flags)


def start_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the file time that ffmpeg calls 0; None where only the frames tell.

    That of a broadcast is the first of its video, even if sound begins earlier.
    """
    if is_broadcast(container) and stream.start_time is not None and stream.time_base:
        return float(stream.start_time * stream.time_base)
    return None if container.start_time is None else container.start_time / av.time_base


def on_one_clock(
    container: InputContainer, stream: VideoStream, packets: Iterable["Packet[VideoStream]"]
) -> Iterator["Packet[VideoStream]"]:
    """Yield the packets, their times moved so that every recording follows the one before."""
    if not is_broadcast(container):
        yield from packets
        return
    tick, rate = stream.time_base or Fraction(1, 90_000), stream.average_rate
    frame = round(1 / rate / tick) if rate else 0
    offset, last, expected = 0, 0, None
    for packet in packets:
        if packet.dts is not None:
            dts = packet.dts + offset
            if expected is not None and (
                abs(dts - expected) * tick > _MOST_AHEAD_SECONDS
                or (last - dts) * tick > _MOST_BACK_SECONDS
            ):
                offset, dts, packet.opaque = offset + expected - dts, expected, RESTART
            last, expected = dts, dts + (packet.duration or frame)
            packet.dts = dts
        if packet.pts is not None:
            packet.pts += offset
        yield packet
