"""Open video files and tell when each of their packets is on screen.

Words: a packet holds one encoded frame; `pts` is the tick at which it comes on screen, `dts` the
order in which it must be decoded. "File time" is pts in seconds, as the file counts.
"""

import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from pipeline.video.clock import RESTART, on_one_clock, start_seconds
from pipeline.video.starts import Start, StartReader
from pipeline.video.tracks import shown_track

# Containers round times to their own ticks (Matroska: 1 ms), so a frame that is due at t may carry
# a time a little later: 1 ms, and the microsecond to which a file's start is known.
TOLERANCE_SECONDS = 0.001001

# A video whose last frame leaves the screen this much before its header says has lost its end.
TRUNCATED_SECONDS = 0.5

# Files come from strangers: playlists and scripts that make the reader open further files or
# addresses are no videos, whatever their name says.
_FORMATS = (
    "mov,matroska,avi,m4v,mpeg,mpegts,mpegvideo,nut,flv,asf,ogg,ivf,h264,hevc,obu,gif,mxf,rm,dv"
)

# A few forged bytes can announce a frame that fills the memory: 8K fits, more is refused.
_MOST_PIXELS = 1 << 26

# They store no display times: the reader makes them up, and gets them wrong behind B-frames.
_UNTIMED_FORMATS = {"avi", "m4v", "mpegvideo", "h264", "hevc", "obu", "dv"}

# What packets may carry beside their bytes without changing the image. The rest (palettes, codec
# headers) gets lost in the cut file.
_HARMLESS = {
    *("mpegts_stream_id", "skip_samples", "quality_stats", "cpb_properties", "prft"),
    *("a53_cc", "matroska_block_additional", "s12m_timecode"),
}

_LATEST_START_SECONDS = 1  # of a bare stream, whose first frame may wait for others

_LAST_OF_RECORDING = 2  # packets that are called broken where another recording follows

_Row = tuple[int | None, int | None, int, Start, bool]  # pts, dts, duration, start, hidden


@dataclass(frozen=True)
class Timeline:
    """The N packets of a video (or of its part up to some time), in the order of the file.

    Attributes:
        pts: [N] ticks at which each comes on screen.
        durations: [N] ticks it stays there as far as the file tells, else 0.
        is_key: [N] whether decoding can start there.
        is_closed: [N] whether, besides, its bytes prove that nothing leans on what lies before.
        is_hidden: [N] decoded but never shown: an edit list leaves it out.
        time_base: seconds per tick.
        start_seconds: file time that players call 0.
        frame_seconds: time from one frame to the next, for a last frame of unknown duration.
        is_whole: whether the end of the video was seen.
        has_times: whether the file tells display times; else those in `pts` are the right ones,
            but attached to the wrong packets.
        disorder: why packets cannot be chosen by `pts`; empty when they can.
        damage: what is broken about the file; empty when nothing is.
    """

    pts: npt.NDArray[np.int64]
    durations: npt.NDArray[np.int64]
    is_key: npt.NDArray[np.bool_]
    is_closed: npt.NDArray[np.bool_]
    is_hidden: npt.NDArray[np.bool_]
    time_base: Fraction
    start_seconds: float
    frame_seconds: float
    is_whole: bool
    has_times: bool
    disorder: str
    damage: str

    @property
    def shown_seconds(self) -> npt.NDArray[np.float64]:
        """File times at which a new frame comes on screen, ascending."""
        ticks = np.sort(self.pts[~self.is_hidden]).astype(np.float64)
        return ticks * np.float64(self.time_base)

    @property
    def end_seconds(self) -> float:
        """File time at which the last frame leaves the screen; infinite if it was not reached."""
        if not self.is_whole:
            return float("inf")
        shown = ~self.is_hidden
        if not shown.any():
            return self.start_seconds
        last = int(np.argmax(np.where(shown, self.pts, np.iinfo(np.int64).min)))
        stays = int(self.durations[last]) * float(self.time_base) or self.frame_seconds
        return int(self.pts[last]) * float(self.time_base) + stays


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a local file and the track that players show; ValueError if it has none we can read.

    Decoding uses one thread: shards run beside each other, and a damaged file gives the same
    frames everywhere.
    """
    with _container(path) as container:
        stream = shown_track(container, lambda: _container(path))
        if stream is None:
            raise ValueError(f"{path.name}: found no video stream, expected a video")
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
        yield container, stream


@contextmanager
def _container(path: Path) -> Iterator[InputContainer]:
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would never end
        raise ValueError(f"{path.name}: found no regular file, expected a video")
    allowed = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(f"file:{path.absolute()}", options=allowed, metadata_errors="replace")
    except FileNotFoundError:
        raise
    except av.error.FFmpegError as error:
        raise ValueError(f"{path.name}: {reason(error)}, expected a video") from None
    with container:
        yield container


def reason(error: av.error.FFmpegError) -> str:
    """Return what ffmpeg says, without the path and the error number."""
    return str(error.strerror or error).rstrip(".")


def encoded_packets(
    container: InputContainer, stream: VideoStream
) -> Iterator["Packet[VideoStream]"]:
    """Return the packets that hold something, in the order of the file, on one clock."""
    full = (packet for packet in container.demux(stream) if packet.size)
    return on_one_clock(container, stream, full)


def read_timeline(path: Path) -> Timeline:
    """Read when each packet is shown, without decoding any.

    Raises: ValueError if this is no video; a file that breaks off gives `damage` instead.
    """
    with opened(path) as (container, stream):
        return follow(container, stream, encoded_packets(container, stream))


def follow(
    container: InputContainer,
    stream: VideoStream,
    packets: Iterable["Packet[VideoStream]"],
    until_seconds: float = float("inf"),
) -> Timeline:
    """Note when each of the packets read from a file just opened is shown.

    Args:
        until_seconds: how far to read, counted as players do, from the start of the file.

    Raises: ValueError if the file does not tell the length of its ticks.
    """
    if stream.time_base is None:
        raise ValueError(f"{container.name}: found no time base, expected a video")
    known_start = start_seconds(container, stream)
    start = known_start or 0.0
    # A packet decoded later is never shown before this one's dts; but behind packets that an edit
    # list hides, the next piece counts on from the end of the last one.
    late = _LATEST_START_SECONDS if known_start is None else 0
    last = (start + late + until_seconds + TOLERANCE_SECONDS) / float(stream.time_base)
    starts, rows, is_whole = StartReader(stream), list[_Row](), True
    disorder, breaks, broken_at = "", "", -_LAST_OF_RECORDING
    try:
        for packet in packets:
            dts = packet.dts
            if dts is not None and dts > last and not packet.is_discard:
                is_whole = False
                break
            if packet.opaque is RESTART:
                disorder = "it has several recordings, each with a clock of its own"
                if len(rows) - broken_at <= _LAST_OF_RECORDING:
                    broken_at = -_LAST_OF_RECORDING  # how a recording is expected to end
            if any(each.data_type not in _HARMLESS for each in packet.iter_sidedata()):
                disorder = disorder or "its codec headers or colours change on the way"
            if packet.is_corrupt:
                broken_at = len(rows)
            duration, start_here = packet.duration or 0, starts.read(packet)
            rows.append((packet.pts, dts, duration, start_here, packet.is_discard))
    except av.error.FFmpegError as error:
        breaks = f"the file breaks off: {reason(error)}"
    damage = breaks or ("the file holds a broken packet" if broken_at >= 0 else "")
    timeline = _timeline(container, stream, rows, start, is_whole, damage)
    if known_start is None and not timeline.is_hidden.all():  # a bare stream
        start = float(timeline.shown_seconds[0])
    timeline = replace(timeline, start_seconds=start, disorder=timeline.disorder or disorder)
    return _with_lost_end(timeline, _promised_end(container, stream, start))


def _timeline(
    container: InputContainer,
    stream: VideoStream,
    rows: list[_Row],
    start_seconds: float,
    is_whole: bool,
    damage: str,
) -> Timeline:
    pts, dts, durations, starts, is_hidden = (
        zip(*rows, strict=True) if rows else ((), (), (), (), ())
    )
    assert stream.time_base is not None
    rate = stream.average_rate or stream.guessed_rate
    frame_seconds = float(1 / rate) if rate else 1 / 30
    known = [a if a is not None else b for a, b in zip(pts, dts, strict=True)]
    if None in known:  # bare streams, whose rate is said to be 25 whatever is encoded
        step = durations[0] or round(frame_seconds / float(stream.time_base))
        known = list(range(0, step * len(known), step))
    untimed = bool(_UNTIMED_FORMATS & set(container.format.name.split(",")))
    if untimed and stream.codec_context.codec.name == "h264" and None not in dts:
        # Made up from a wrong delay; that of the decoder is 0 where no frame waits for others.
        delay = int(stream.codec_context.has_b_frames)
        known = [tick + delay * durations[0] for tick in dts if tick is not None]
    has_times = None not in pts and not (untimed and list(pts) != list(dts))
    ticks = np.array(known, dtype=np.int64)
    hidden = np.array(is_hidden, dtype=np.bool_)
    steps = np.diff(np.sort(ticks[~hidden]))
    if steps.size:
        frame_seconds = float(np.median(steps)) * float(stream.time_base) or frame_seconds
    return Timeline(
        pts=ticks,
        durations=np.array(durations, dtype=np.int64),
        is_key=np.array([start > Start.NONE for start in starts], dtype=np.bool_),
        is_closed=np.array([start is Start.CLOSED for start in starts], dtype=np.bool_),
        is_hidden=hidden,
        time_base=stream.time_base,
        start_seconds=start_seconds,
        frame_seconds=frame_seconds,
        is_whole=is_whole,
        has_times=has_times,
        disorder=_disorder(ticks, hidden) if has_times else "no display times in this format",
        damage=damage,
    )


def _disorder(ticks: npt.NDArray[np.int64], is_hidden: npt.NDArray[np.bool_]) -> str:
    shown, hidden = np.sort(ticks[~is_hidden]), ticks[is_hidden]
    if (np.diff(shown) == 0).any():
        return "two frames at one time"
    if shown.size and ((hidden >= shown[0]) & (hidden <= shown[-1])).any():
        return "an edit list of several pieces"
    return ""


def _promised_end(
    container: InputContainer, stream: VideoStream, start_seconds: float
) -> float | None:
    """Return file time at which the video stream ends as the header tells it."""
    # Matroska counts its lengths from file time 0, wherever the first frame lies, and so does MP4
    # when its edit list begins with nothing.
    formats = set(container.format.name.split(","))
    counted_from = min(start_seconds, 0.0) if formats & {"matroska", "mov"} else start_seconds
    if stream.duration is not None and stream.time_base is not None:
        return counted_from + float(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "")  # Matroska, written by ffmpeg: 00:00:05.000000000
    if match := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", tag):
        return counted_from + int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    if len(container.streams) == 1 and container.duration:
        return counted_from + container.duration / av.time_base
    return None


def _with_lost_end(timeline: Timeline, promised_end: float | None) -> Timeline:
    """Note it as damage when the video ends well before its header says."""
    if not timeline.is_whole or promised_end is None:
        return timeline
    if timeline.end_seconds > promised_end - TRUNCATED_SECONDS:
        return timeline
    found, promised = (end - timeline.start_seconds for end in (timeline.end_seconds, promised_end))
    lost = f"the file ends after {found:.2f} s, its header says {promised:.2f} s"
    return replace(timeline, damage="; ".join(filter(None, [timeline.damage, lost])))
