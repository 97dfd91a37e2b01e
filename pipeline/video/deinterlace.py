"""Make whole frames of interlaced ones.

An interlaced frame holds two moments, one in its odd rows and one in its even rows; what moves
shows combs. ffmpeg's bwdif keeps the earlier moment and fills in the other rows from the frames
around it. Only frames that the encoded stream calls interlaced are changed; their times stay.
"""

from fractions import Fraction

import av.error
from av.filter import Graph
from av.video.frame import VideoFrame

_SMALLEST_PX = 4  # bwdif takes nothing below


class Deinterlacer:
    """Gives back as many frames as it takes, in order, the last of them when flushed.

    Args:
        time_base: seconds per tick of the frames' `pts`; those given back carry their own.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._inside = 0

    @property
    def is_active(self) -> bool:
        """Whether an interlaced frame has come since the last flush."""
        return self._graph is not None

    def push(self, frame: VideoFrame) -> list[VideoFrame]:
        """Take the next frame in the order of time; FFmpegError if it cannot be filtered."""
        shape = frame.width, frame.height, frame.format.name
        before = self.flush() if self._graph is not None and shape != self._shape else []
        if self._graph is None:
            if not frame.interlaced_frame or min(frame.width, frame.height) < _SMALLEST_PX:
                return [*before, frame]
            self._graph, self._shape = _graph(frame, self._time_base), shape
        self._graph.push(frame)
        self._inside += 1
        return before + self._pull()

    def flush(self) -> list[VideoFrame]:
        """Hand out what is held back; what comes next has nothing to do with it."""
        if self._graph is None:
            return []
        self._graph.push(None)
        frames = self._pull()
        self._graph, self._inside = None, 0
        return frames

    def _pull(self) -> list[VideoFrame]:
        assert self._graph is not None
        frames: list[VideoFrame] = []
        while self._inside:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            assert isinstance(frame, VideoFrame)
            frames.append(frame)
            self._inside -= 1
        return frames


def _graph(frame: VideoFrame, time_base: Fraction) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=time_base,
    )
    # One frame for each; those that are not interlaced pass as they are.
    bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    source.link_to(bwdif)
    bwdif.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
