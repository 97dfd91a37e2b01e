"""Decode a shard's clips and store their frames, with a report of each clip."""

import csv
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Protocol

import av
import cv2
import simplejpeg
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from pipeline.clips import parse_windows, read_windows
from pipeline.core.atomic import written
from pipeline.core.progress import track
from pipeline.settings.sections import ExtractFrames
from pipeline.video.crash_guard import Guard
from pipeline.video.cut_table import Cut, read_cuts
from pipeline.video.frame_reader import Damage, read_frames
from pipeline.video.frame_store import FrameStoreWriter
from pipeline.video.jpeg import to_jpeg

logger = logging.getLogger(__name__)

_BATCH_PIXELS = 1 << 20  # twelve frames of 340x256, one of Full HD

_Shown = tuple[VideoFrame, list[int]]  # a frame and the stored frames that show it


@dataclass(frozen=True)
class ClipReport:
    """One clip's row: "ok", "short" (the video ends before its last wanted frame) or "damaged"."""

    clip: str
    status: str
    frames_wanted: int
    frames_stored: int
    reason: str


def extract_shard(
    *,
    settings: ExtractFrames,
    clips: Path,
    cut: Path,
    cut_report: Path,
    tar: Path,
    index: Path,
    report: Path,
    guard: Guard,
) -> dict[str, float]:
    """Store the frames of a shard, write its tables, and return counts.

    Args:
        settings: size and quality of the stored frames.
        clips: the clip table.
        cut: folder of the shard's cut clips.
        cut_report: their table.
        tar: frames to write.
        index: table of the frames to write.
        report: table of the clips to write.
        guard: is told of each clip before it is touched.
    """
    cv2.setNumThreads(1)  # shards run beside each other
    windows, cuts = read_windows(clips), read_cuts(cut_report)
    notes = {
        "decoder": f"PyAV {av.__version__}, ffmpeg {av.ffmpeg_version_info}",
        "encoder": f"simplejpeg {simplejpeg.__version__}",
        "settings": settings.model_dump_json(),
    }
    with FrameStoreWriter(tar, index, notes) as store:
        reports = extract_frames(windows, cuts, cut, store, settings, guard)
    _write_reports(reports, report)
    return {
        "clips": len(reports),
        "frames": sum(each.frames_stored for each in reports),
        "damaged": sum(each.status == "damaged" for each in reports),
        "short": sum(each.status == "short" for each in reports),
        "bytes": tar.stat().st_size,
    }


class Store(Protocol):
    """Where frames go."""

    def add(self, clip: str, frame: int, jpeg: bytes, width: int, height: int) -> None:
        """Take one frame."""


def extract_clip(
    cut: Cut,
    folder: Path,
    numbers: list[int],
    store: Store,
    settings: ExtractFrames,
    on_stored: Callable[[int, float], None] | None = None,
) -> ClipReport:
    """Store a clip's frames; a few decoded frames are held at a time.

    Args:
        cut: the clip's row; its file lies in `folder`.
        numbers: stored frames wanted, ascending.
        store: gets them in this order.
        settings: size and quality of the stored frames.
        on_stored: is told of each number at which time of the cut file its image came on screen.
    """
    last, stored, damage, broken = 0, 0, Damage(), ""
    look, sizes = cut.look, FrameSizes()
    try:
        for shown in _batches(read_frames(folder / cut.path, cut, numbers, damage)):
            for frame, shown_in in shown:
                frame = sizes.as_first(frame)
                jpeg = to_jpeg(frame, look, settings.short_side_px, settings.jpeg_quality)
                for last in shown_in:
                    store.add(cut.clip, last, *jpeg)
                    if on_stored is not None:
                        on_stored(last, frame.time or 0.0)
                stored += len(shown_in)
    except ValueError as error:  # the cut file has nothing that can be opened
        broken = str(error)
    status, reasons = "ok", [cut.reason, str(damage), broken]
    if cut.status == "damaged" or damage.num_packets or broken:
        status = "damaged"
    elif stored < len(numbers):
        status = "short"
        reasons.append(f"the video ends after frame {last}, frame {numbers[-1]} was wanted")
    if look.transfer != "sdr":
        reasons.append(f"{look.transfer.upper()} brightness was mapped to an ordinary screen's")
    reason = "; ".join(part for part in [*reasons, str(sizes)] if part)
    return ClipReport(cut.clip, status, len(numbers), stored, reason)


class FrameSizes:
    """Gives all frames of a clip the size of its first one; as text, which sizes it met.

    Streams may change their size on the way (joined files, broadcasts). Boxes are fractions of the
    frame, so what intervals the whole frame moves none of them.
    """

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None
        self._others: list[str] = []

    def as_first(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame, or one of the first's size in its place; format and colours stay."""
        size = frame.width, frame.height
        self._first = self._first or size
        if size == self._first:
            return frame
        if (text := "{} x {}".format(*size)) not in self._others:
            self._others.append(text)
        width, height = self._first
        return frame.reformat(width, height, interpolation=Interpolation.AREA, threads=1)

    def __str__(self) -> str:
        if not self._others or self._first is None:
            return ""
        width, height = self._first
        return f"frames of {', '.join(self._others)} were resized to the first's {width} x {height}"


def _batches(frames: Iterable[_Shown]) -> Iterator[list[_Shown]]:
    """Join small frames: decoder and coder, in turn, would drive each other out of the cache."""
    held: list[_Shown] = []
    num_pixels = 0
    for shown in frames:
        held.append(shown)
        num_pixels += shown[0].width * shown[0].height
        if num_pixels >= _BATCH_PIXELS:
            yield held
            held, num_pixels = [], 0
    yield held


def extract_frames(
    windows: Mapping[str, str],
    cuts: list[Cut],
    folder: Path,
    store: Store,
    settings: ExtractFrames,
    guard: Guard,
) -> list[ClipReport]:
    """Store the frames of every cut clip; one report per clip, ordered by clip.

    Args:
        windows: clip to its windows, as the clip table has them.
    """
    reports = []
    for cut in track(sorted(cuts, key=lambda cut: cut.clip), "extract frames", unit="clip"):
        if cut.clip not in windows:
            raise ValueError(f"cut clip {cut.clip!r}: found no such name in the clip table")
        intervals = parse_windows(windows[cut.clip])
        numbers = [number for first, last in intervals for number in range(first, last + 1)]
        crash = guard.begin(cut.clip)
        if cut.path and not crash:
            report = extract_clip(cut, folder, numbers, store, settings)
        else:
            report = ClipReport(cut.clip, "damaged", len(numbers), 0, crash or cut.reason)
        if report.reason and report.reason != cut.reason:
            logger.warning("%s: %s", report.clip, report.reason)
        reports.append(report)
    return reports


def _write_reports(reports: Iterable[ClipReport], path: Path) -> None:
    """Write the reports as a table."""
    names = [field.name for field in fields(ClipReport)]
    with written(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(report) for report in reports)
