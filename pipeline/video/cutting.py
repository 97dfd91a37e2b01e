"""Cut the wanted seconds out of a video by copying packets: no frame is encoded a second time.

The cut file is NUT, which takes any ticks, so that every time stays exact. It holds less than other
containers, though: where it would not hold all that decoding needs, the source itself is kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.core.atomic import link_or_copy
from pipeline.core.disk_space import NO_ROOM
from pipeline.sampling import FPS
from pipeline.video.cut_check import FrameFinder, is_faithful, probe
from pipeline.video.cut_table import Cut
from pipeline.video.look import Look, look_of, read_look
from pipeline.video.video import (
    TOLERANCE_SECONDS,
    Timeline,
    encoded_packets,
    follow,
    opened,
    reason,
)

Windows = Sequence[tuple[int, int]]

# Whose packets NUT carries whole, as tests show of each.
COPIED_CODECS = {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video"}

# A video of ten seconds is read once and held; one of an hour is read again for the copy.
_MOST_HELD_BYTES = 32 << 20


def cut_clip(source: Path, folder: Path, clip: str, windows: Windows, offset_seconds: float) -> Cut:
    """Write to `folder` what the frames in `windows` need of a video.

    Args:
        source: the video.
        clip: name of the clip; the file is `<clip>.nut`, or the whole video under a second name
            where packets alone would not do.
        windows: first and last stored frame of each interval, ascending; at least one.
        offset_seconds: where the clip starts, counted from the start of the video.

    Returns: the clip's row; damage and even a source that is no video are told there.
    """
    until = offset_seconds + (windows[-1][1] - 1) / FPS
    try:
        with opened(source) as (container, stream):
            first = _Reading(source, container, stream)
            timeline = follow(container, stream, first, until)
            row = _row(clip, timeline, offset_seconds)
            codec = stream.codec_context.codec.canonical_name
            why = "" if codec in COPIED_CODECS else f"no packets are copied of codec {codec}"
            return _cut(source, folder, row, windows, timeline, first, timeline.disorder or why)
    except ValueError as error:
        return Cut(clip, status="damaged", reason=str(error))


def _row(clip: str, timeline: Timeline, offset_seconds: float) -> Cut:
    return Cut(
        clip,
        status="damaged" if timeline.damage else "ok",
        zero_seconds=timeline.start_seconds + offset_seconds,
        shown_until_seconds=timeline.end_seconds,
        reason=timeline.damage,
    )


class _Reading:
    """The packets of a file just opened; all are held, unless that takes too much memory."""

    def __init__(self, source: Path, container: InputContainer, stream: VideoStream) -> None:
        self._source, self._container, self._stream = source, container, stream
        self._packets: list[Packet[VideoStream]] | None = []
        self._room = _MOST_HELD_BYTES

    def __iter__(self) -> Iterator["Packet[VideoStream]"]:
        for packet in encoded_packets(self._container, self._stream):
            self._room -= packet.size
            if self._room < 0:
                self._packets = None
            if self._packets is not None:
                self._packets.append(packet)
            yield packet

    @contextmanager
    def again(self) -> Iterator[tuple[Iterable["Packet[VideoStream]"], VideoStream]]:
        """The same packets from the first on; not all of them when the first reading stopped."""
        if self._packets is not None:
            yield self._packets, self._stream
            return
        with opened(self._source) as (container, stream):
            yield encoded_packets(container, stream), stream


def _with_look(row: Cut, first: _Reading, frame: VideoFrame | None) -> Cut:
    """Note how `frame` of the source is to be shown; of its first one if that did not come."""
    if frame is not None:
        return replace(row, **_columns(look_of(frame)))
    with first.again() as (packets, stream):
        return replace(row, **_columns(read_look(packets, stream) or Look()))


def _columns(look: Look) -> dict[str, Any]:
    numbers = {"mirrored": int(look.mirrored), "full_range": int(look.full_range)}
    return {**asdict(look), **numbers}


def _cut(
    source: Path,
    folder: Path,
    row: Cut,
    windows: Windows,
    timeline: Timeline,
    first: _Reading,
    obstacle: str,
) -> Cut:
    keep = packets_to_keep(timeline, windows, row.zero_seconds)
    if not keep.any():
        found = timeline.end_seconds - timeline.start_seconds
        wanted = row.zero_seconds - timeline.start_seconds + (windows[0][0] - 1) / FPS
        early = f"the video ends at {found:.2f} s, the first wanted frame is at {wanted:.2f} s"
        return Cut(row.clip, status="damaged", reason=timeline.damage or early)
    if not obstacle:
        try:
            if cut := _copy_packets(folder, row, windows, timeline, keep, first):
                return cut
            obstacle = "cut out, its first frame is another one"
        except (av.error.FFmpegError, UnknownCodecError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise  # the disk is at fault, not the video
            obstacle = f"its packets cannot be copied ({_why(error)})"
        (folder / f"{row.clip}.nut").unlink(missing_ok=True)
    row = _with_look(row, first, None)
    return _keep_whole(source, folder, row, obstacle, timeline.has_times)


def _why(error: Exception) -> str:
    if isinstance(error, av.error.FFmpegError):
        return reason(error)
    return f"codec {error}" if isinstance(error, UnknownCodecError) else str(error)


def packets_to_keep(
    timeline: Timeline, windows: Windows, zero_seconds: float
) -> npt.NDArray[np.bool_]:
    """Find the packets without which a window's frames could not be decoded.

    For each window: from the keyframe that comes on screen no later than the window's first
    frame, to the last packet that comes on screen no later than its last one. A keyframe's
    leading frames (shown before it, decoded after it) thus never start a window.

    Args:
        windows: first and last stored frame of each interval.
        zero_seconds: file time of stored frame 1.

    Returns: [N] whether to keep each packet.
    """
    num_packets = len(timeline.pts)
    changes = np.zeros(num_packets + 1, dtype=np.int64)  # of how many windows keep a packet
    shown = np.sort(timeline.pts[~timeline.is_hidden])
    if not shown.size:
        return np.zeros(num_packets, dtype=np.bool_)
    seconds = timeline.shown_seconds
    end = timeline.end_seconds - TOLERANCE_SECONDS
    order = np.argsort(timeline.pts, kind="stable")
    ascending, keys = timeline.pts[order], np.flatnonzero(timeline.is_key)
    for first, last in windows:
        starts, stops = (zero_seconds + (number - 1) / FPS for number in (first, last))
        if starts >= end:
            continue
        # Before the first frame, the first frame counts.
        opening = shown[_on_screen(seconds, starts)]
        closing = shown[_on_screen(seconds, stops)]
        left = np.searchsorted(ascending, opening, side="left")
        right = np.searchsorted(ascending, closing, side="right")
        key = int(np.searchsorted(keys, order[left], side="right")) - 1
        while key >= 0 and timeline.pts[keys[key]] > opening:
            key -= 1
        changes[keys[key] if key >= 0 else 0] += 1
        changes[order[left:right].max() + 1] -= 1
    keep: npt.NDArray[np.bool_] = np.cumsum(changes[:-1]) > 0
    return keep


def _opening_tick(timeline: Timeline, windows: Windows, zero_seconds: float) -> int:
    """Return when the first frame that any window shows comes on screen.

    What comes before serves decoding.
    """
    shown = np.sort(timeline.pts[~timeline.is_hidden])
    begins = zero_seconds + (windows[0][0] - 1) / FPS
    return int(shown[_on_screen(timeline.shown_seconds, begins)])


def _on_screen(seconds: npt.NDArray[np.float64], time: float) -> int:
    after = int(np.searchsorted(seconds, time + TOLERANCE_SECONDS, side="right"))
    return max(after - 1, 0)


@dataclass(frozen=True)
class _Plan:
    """Ticks of the packets that are kept, in file order, moved so that none is negative."""

    pts: npt.NDArray[np.int64]
    dts: npt.NDArray[np.int64]
    shift: int


def _plan(timeline: Timeline, keep: npt.NDArray[np.bool_]) -> _Plan:
    kept = timeline.pts[keep]
    shift = max(0, -int(kept.min()))  # NUT has no negative times
    # Any ascending row of decoding times will do as long as none is later than its display time;
    # those of the source can be missing.
    order = np.sort(kept)
    return _Plan(kept + shift, order - (order - kept).max() + shift, shift)


def _copy_packets(
    folder: Path,
    row: Cut,
    windows: Windows,
    timeline: Timeline,
    keep: npt.NDArray[np.bool_],
    first: _Reading,
) -> Cut | None:
    """Write the cut file; None if its first frame is not that of the source."""
    target, plan = folder / f"{row.clip}.nut", _plan(timeline, keep)
    numbers, opening = np.flatnonzero(keep), _opening_tick(timeline, windows, row.zero_seconds)
    image = probe(timeline, keep, opening)
    exact = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    with (
        first.again() as (packets, stream),
        av.open(f"file:{target.absolute()}", "w", format="nut", options=exact) as output,
    ):
        # `opaque` copies the codec's parameters without asking for an encoder of that codec.
        copied = output.add_stream_from_template(stream, opaque=True)
        copied.time_base = stream.time_base
        done, finder = 0, FrameFinder(stream, image.seconds)
        for number, packet in enumerate(packets):
            if image.first <= number <= image.last:
                finder.push(packet)
            if keep[number]:
                packet.stream = copied
                packet.pts, packet.dts = int(plan.pts[done]), int(plan.dts[done])
                output.mux(packet)
                done += 1
            if number == numbers[-1]:
                break
        expected = finder.found()
    num_packets = int(np.searchsorted(numbers, image.last, side="right"))
    seconds = image.seconds + plan.shift * timeline.time_base
    if not is_faithful(expected, target, num_packets, seconds):
        return None
    joins = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1) != 1)
    moved = plan.shift * float(timeline.time_base)
    return replace(
        _with_look(row, first, expected),
        path=target.name,
        zero_seconds=row.zero_seconds + moved,
        shown_from_seconds=float(opening * np.float64(timeline.time_base)) + moved,
        shown_until_seconds=row.shown_until_seconds + moved,
        joins=" ".join(str(number) for number in joins),
        bytes=target.stat().st_size,
    )


def _keep_whole(source: Path, folder: Path, row: Cut, why: str, has_times: bool) -> Cut:
    """Give the source a second name: its decoder knows what its packets do not tell."""
    target = folder / f"{row.clip}{source.suffix.lower()}"
    link_or_copy(source, target)
    note = f"kept whole: {why}"
    return replace(
        row,
        path=target.name,
        timing="pts" if has_times else "order",
        bytes=target.stat().st_size,
        reason=f"{row.reason}; {note}" if row.reason else note,
    )
