"""Which stored frames the model input of a keyframe is made of.

A clip's frames are numbered 1, 2, ... on a grid of 30 a second; number 1 is on screen at the clip's
start. The published models centre keyframe t on number 30 (t - start), which is on screen 1/30 s
before t; we keep that, because the published figures depend on it.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FPS = 30  # frames a second of the stored grid, whatever the source's rate was


@dataclass(frozen=True)
class Sampling:
    """`num_frames` frames, `interval` stored frames apart: 8x8 covers 64 stored frames, 2.1 s."""

    num_frames: int
    interval: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the field's notation, "8x8": frames x interval."""
        match = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", text)
        if match is None:
            raise ValueError(f"sampling: found {text!r}, expected frames x interval such as '8x8'")
        return cls(int(match[1]), int(match[2]))

    @cached_property
    def offsets(self) -> "npt.NDArray[np.int64]":
        """Return [num_frames] the distance of each frame from the keyframe, in stored frames."""
        import numpy as np  # here: all readers of the settings import this module, few need arrays

        offsets = np.asarray(self._offsets)
        offsets.flags.writeable = False
        return offsets

    @property
    def _offsets(self) -> range:
        before, after = self.num_frames // 2, (self.num_frames + 1) // 2
        return range(-before * self.interval, after * self.interval, self.interval)

    @property
    def jitter_range(self) -> tuple[int, int]:
        """Return the lowest and highest shift of a frame in training, both included."""
        return -(self.interval // 2), (self.interval + 1) // 2 - 1

    @property
    def reach(self) -> tuple[int, int]:
        """Return how many stored frames before and after the keyframe training may use."""
        low, high = self.jitter_range
        return -self._offsets[0] - low, self._offsets[-1] + high

    @property
    def length(self) -> int:
        """Return how many stored frames it spans, without jitter."""
        return self._offsets[-1] - self._offsets[0] + 1

    def numbers(
        self, centre: int, last_frame: int, jitter: "npt.NDArray[np.int64] | None" = None
    ) -> "npt.NDArray[np.int64]":
        """Return frame numbers around `centre`; those outside the clip repeat its first or last.

        Args:
            centre: number of the keyframe.
            last_frame: number of the clip's last stored frame.
            jitter: [num_frames] shift of each frame, within `jitter_range`; None in evaluation.

        Returns: [num_frames] numbers in 1..last_frame.
        """
        wanted = centre + self.offsets
        if jitter is not None:
            wanted = wanted + jitter
        return wanted.clip(1, last_frame)


def keyframe_number(timestamp_seconds: float, start_seconds: float) -> int:
    """Return the stored frame number of the keyframe at `timestamp_seconds` of its video.

    Fractional timestamps (two in five of AVA-Kinetics) are rounded to the nearest stored frame.
    """
    return round(FPS * (timestamp_seconds - start_seconds))
