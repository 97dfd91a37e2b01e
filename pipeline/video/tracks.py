"""Choose the video track that players show, as ffmpeg does."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

# ffmpeg weighs the flag as much as so many pixels.
_DEFAULT_PIXELS = 5_000_000

_MOST_PACKETS = 500  # read to see which tracks move


def shown_track(
    container: InputContainer, again: Callable[[], AbstractContextManager[InputContainer]]
) -> VideoStream | None:
    """Return the track that players show; None if none can be decoded.

    Cover images and tracks of one frame come last; of the others counts the one that the file
    calls its default, then the larger one, then the first.

    Args:
        again: opens the file once more, to count frames where its header does not tell.
    """
    cover = Disposition.attached_pic
    tracks = [
        track
        for track in container.streams.video
        if not track.disposition & cover and track.codec_context is not None
    ]
    if len(tracks) < 2:
        return tracks[0] if tracks else None
    is_exact = container.format.name != "avi"  # whose headers count frames that are repeated
    num_frames = {track.index: track.frames * is_exact for track in tracks}
    if not all(num_frames.values()):
        num_frames = {**_counted(again), **{k: n for k, n in num_frames.items() if n}}
    moving = [track for track in tracks if num_frames.get(track.index, 0) > 1]
    return max(moving or tracks, key=_score)


def _score(track: VideoStream) -> int:
    is_default = bool(track.disposition & Disposition.default)
    return track.width * track.height + _DEFAULT_PIXELS * is_default


def _counted(again: Callable[[], AbstractContextManager[InputContainer]]) -> dict[int, int]:
    """Frames of each track among the file's first packets."""
    counts: Counter[int] = Counter()
    with again() as container:
        try:
            for packet in container.demux(video=tuple(range(len(container.streams.video)))):
                counts[packet.stream.index] += bool(packet.size)
                if counts.total() >= _MOST_PACKETS:
                    break
        except av.error.FFmpegError:
            pass  # the file breaks off
    return dict(counts)
