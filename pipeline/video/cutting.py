"""Cut the wanted seconds out of a video by copying packets: no frame is encoded a second time.

The cut file is NUT, which takes any codec and any ticks, so that every time stays exact.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from pipeline.sampling import FPS
from pipeline.video.cut_table import Cut
from pipeline.video.look import Look, read_look
from pipeline.video.video import (
    TOLERANCE_SECONDS,
    Timeline,
    encoded_packets,
    follow,
    opened,
    reason,
)

Windows = Sequence[tuple[int, int]]

# A video of ten seconds is read once and held; one of an hour is read again for the copy.
_MOST_HELD_BYTES = 32 << 20


def cut_clip(source: Path, folder: Path, clip: str, windows: Windows, offset_seconds: float) -> Cut:
    """Write to `folder` what the frames in `windows` need of a video.

    Args:
        source: the video.
        clip: name of the clip; the file is `<clip>.nut`, or a whole copy of a video whose packets
            do not tell when they are shown.
        windows: first and last stored frame of each interval, ascending; at least one.
        offset_seconds: where the clip starts, counted from the start of the video.

    Returns: the clip's row; damage and even a source that is no video are told there.
    """
    until = offset_seconds + (windows[-1][1] - 1) / FPS
    try:
        with opened(source) as (container, stream):
            first = _Reading(source, container, stream)
            timeline = follow(container, stream, first, until)
            look = _look(first) or Look()
            row = _row(clip, timeline, look, offset_seconds)
            return _cut(source, folder, row, windows, timeline, first)
    except ValueError as error:
        return Cut(clip, status="damaged", reason=str(error))


def _row(clip: str, timeline: Timeline, look: Look, offset_seconds: float) -> Cut:
    return Cut(
        clip,
        status="damaged" if timeline.damage else "ok",
        zero_seconds=timeline.start_seconds + offset_seconds,
        shown_until_seconds=timeline.end_seconds,
        rotation_degrees=look.rotation_degrees,
        mirrored=int(look.mirrored),
        matrix=look.matrix,
        full_range=int(look.full_range),
        transfer=look.transfer,
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


def _look(first: _Reading) -> Look | None:
    with first.again() as (packets, stream):
        return read_look(packets, stream)


def _cut(
    source: Path, folder: Path, row: Cut, windows: Windows, timeline: Timeline, first: _Reading
) -> Cut:
    keep = packets_to_keep(timeline, windows, row.zero_seconds)
    if not keep.any():
        found = timeline.end_seconds - timeline.start_seconds
        wanted = row.zero_seconds - timeline.start_seconds + (windows[0][0] - 1) / FPS
        early = f"the video ends at {found:.2f} s, the first wanted frame is at {wanted:.2f} s"
        return Cut(row.clip, status="damaged", reason=timeline.damage or early)
    if timeline.disorder:
        return _copy_whole(source, folder, row, timeline.disorder, timeline.has_times)
    try:
        return _copy_packets(folder, row, windows, timeline, keep, first)
    except (av.error.FFmpegError, UnknownCodecError) as error:
        (folder / f"{row.clip}.nut").unlink(missing_ok=True)
        why = reason(error) if isinstance(error, av.error.FFmpegError) else f"codec {error}"
        return _copy_whole(source, folder, row, f"its packets cannot be copied ({why})", True)


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
    keep = np.zeros(len(timeline.pts), dtype=np.bool_)
    shown = np.sort(timeline.pts[~timeline.is_hidden])
    if not shown.size:
        return keep
    seconds = timeline.shown_seconds
    end = timeline.end_seconds - TOLERANCE_SECONDS
    for first, last in windows:
        starts, stops = (zero_seconds + (number - 1) / FPS for number in (first, last))
        if starts >= end:
            continue
        # Before the first frame, the first frame counts.
        opening = shown[_on_screen(seconds, starts)]
        closing = shown[_on_screen(seconds, stops)]
        position = np.flatnonzero(timeline.pts == opening)[0]
        keys = np.flatnonzero(timeline.is_key[: position + 1])
        keys = keys[timeline.pts[keys] <= opening]
        begin = keys[-1] if keys.size else 0
        between = (timeline.pts >= opening) & (timeline.pts <= closing)
        keep[begin : np.flatnonzero(between)[-1] + 1] = True
    return keep


def _opening_seconds(timeline: Timeline, windows: Windows, zero_seconds: float) -> float:
    """File time of the first frame that any window shows: what comes before serves decoding."""
    seconds = timeline.shown_seconds
    return float(seconds[_on_screen(seconds, zero_seconds + (windows[0][0] - 1) / FPS)])


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
) -> Cut:
    target, plan = folder / f"{row.clip}.nut", _plan(timeline, keep)
    numbers = np.flatnonzero(keep)
    exact = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    with (
        first.again() as (packets, stream),
        av.open(f"file:{target.absolute()}", "w", format="nut", options=exact) as output,
    ):
        # `opaque` copies the codec's parameters without asking for an encoder of that codec.
        copied = output.add_stream_from_template(stream, opaque=True)
        copied.time_base = stream.time_base
        done = 0
        for number, packet in enumerate(packets):
            if keep[number]:
                packet.stream = copied
                packet.pts, packet.dts = int(plan.pts[done]), int(plan.dts[done])
                output.mux(packet)
                done += 1
            if number == numbers[-1]:
                break
    joins = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1) != 1)
    moved = plan.shift * float(timeline.time_base)
    return replace(
        row,
        path=target.name,
        zero_seconds=row.zero_seconds + moved,
        shown_from_seconds=_opening_seconds(timeline, windows, row.zero_seconds) + moved,
        shown_until_seconds=row.shown_until_seconds + moved,
        joins=" ".join(str(number) for number in joins),
        bytes=target.stat().st_size,
    )


def _copy_whole(source: Path, folder: Path, row: Cut, why: str, has_times: bool) -> Cut:
    """Keep the source as it is: its decoder knows what its packets do not tell."""
    target = folder / f"{row.clip}{source.suffix.lower()}"
    shutil.copyfile(source, target)
    note = f"copied whole: {why}"
    return replace(
        row,
        path=target.name,
        timing="pts" if has_times else "order",
        bytes=target.stat().st_size,
        reason=f"{row.reason}; {note}" if row.reason else note,
    )
