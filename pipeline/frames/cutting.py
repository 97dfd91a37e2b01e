"""Cut the wanted seconds out of a video by copying packets: no picture is coded a second time.

The cut file is NUT, which takes any codec and any ticks, so that every time stays exact.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.codec.codec import UnknownCodecError

from pipeline.frames.cut_table import Cut
from pipeline.frames.picture import Look, read_look
from pipeline.frames.video import (
    TOLERANCE_SECONDS,
    Timeline,
    coded_packets,
    opened,
    read_timeline,
    reason,
)
from pipeline.sampling import FPS

Windows = Sequence[tuple[int, int]]


def cut_clip(source: Path, folder: Path, clip: str, windows: Windows, offset_seconds: float) -> Cut:
    """Write to `folder` what the frames in `windows` need of a video.

    Args:
        source: the video.
        clip: name of the clip; the file is `<clip>.nut`, or a whole copy of a video whose packets
            do not tell when they are shown.
        windows: first and last stored frame of each stretch, ascending; at least one.
        offset_seconds: where the clip starts, counted from the start of the video.

    Returns: the clip's row; damage and even a source that is no video are told there.
    """
    try:
        timeline = read_timeline(source, offset_seconds + (windows[-1][1] - 1) / FPS)
        with opened(source) as (container, stream):
            look = read_look(container, stream) or Look()
    except ValueError as error:
        return Cut(clip, status="damaged", reason=str(error))
    row = Cut(
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
    keep = packets_to_keep(timeline, windows, row.zero_seconds)
    if not keep.any():
        found = timeline.end_seconds - timeline.start_seconds
        first = offset_seconds + (windows[0][0] - 1) / FPS
        early = f"the video ends at {found:.2f} s, the first wanted frame is at {first:.2f} s"
        return Cut(clip, status="damaged", reason=timeline.damage or early)
    if timeline.disorder:
        return _copy_whole(source, folder, row, timeline.disorder, timeline.has_times)
    try:
        return _copy_packets(source, folder, row, timeline, keep)
    except (av.error.FFmpegError, UnknownCodecError) as error:
        (folder / f"{clip}.nut").unlink(missing_ok=True)
        why = reason(error) if isinstance(error, av.error.FFmpegError) else f"codec {error}"
        return _copy_whole(source, folder, row, f"its packets cannot be copied ({why})", True)


def packets_to_keep(
    timeline: Timeline, windows: Windows, zero_seconds: float
) -> npt.NDArray[np.bool_]:
    """Find the packets without which a window's frames could not be decoded.

    For each window: from the keyframe that comes on screen no later than the window's first
    picture, to the last packet that comes on screen no later than its last one. A keyframe's
    leading pictures (shown before it, decoded after it) thus never start a window.

    Args:
        windows: first and last stored frame of each stretch.
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
        # Before the first picture, the first picture counts.
        opening = shown[_on_screen(seconds, starts)]
        closing = shown[_on_screen(seconds, stops)]
        position = np.flatnonzero(timeline.pts == opening)[0]
        keys = np.flatnonzero(timeline.is_key[: position + 1])
        keys = keys[timeline.pts[keys] <= opening]
        begin = keys[-1] if keys.size else 0
        between = (timeline.pts >= opening) & (timeline.pts <= closing)
        keep[begin : np.flatnonzero(between)[-1] + 1] = True
    return keep


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
    source: Path, folder: Path, row: Cut, timeline: Timeline, keep: npt.NDArray[np.bool_]
) -> Cut:
    target, plan = folder / f"{row.clip}.nut", _plan(timeline, keep)
    numbers = np.flatnonzero(keep)
    exact = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    with (
        opened(source) as (container, stream),
        av.open(f"file:{target.absolute()}", "w", format="nut", options=exact) as output,
    ):
        # `opaque` copies the codec's parameters without asking for an encoder of that codec.
        copied = output.add_stream_from_template(stream, opaque=True)
        copied.time_base = stream.time_base
        done = 0
        for number, packet in enumerate(coded_packets(container, stream)):
            if keep[number]:
                packet.stream = copied
                packet.pts, packet.dts = int(plan.pts[done]), int(plan.dts[done])
                output.mux(packet)
                done += 1
            if number == numbers[-1]:
                break
    joins = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1) != 1)
    moved = plan.shift * float(timeline.time_base)
    shown_from = timeline.shown_seconds[0] if timeline.is_hidden.any() else float("-inf")
    return replace(
        row,
        path=target.name,
        zero_seconds=row.zero_seconds + moved,
        shown_from_seconds=float(shown_from) + moved,
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
