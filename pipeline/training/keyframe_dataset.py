"""Keyframes as training examples: stills, boxes and labels, made from the index and the frames.

What a keyframe looks like in training is a function of (seed, epoch, position), never of workers,
batches or what was drawn before.

T stills  G truth boxes  N boxes
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from pipeline.sampling import Sampling
from pipeline.training.batches import Example, Frames, seen
from pipeline.training.keyframe_index import Boxes, KeyframeIndex
from pipeline.training.targets import sample_boxes
from pipeline.training.transforms import View, random_view, view_boxes, whole_view


class FrameSource(Protocol):
    """What a dataset needs of the frame store."""

    def decode(self, clip: str, numbers: npt.NDArray[np.int64]) -> Frames: ...


class Place(NamedTuple):
    """One visit of one keyframe in training."""

    epoch: int
    position: int  # row of the dataset


class TrainingKeyframes(Dataset[Example]):
    """Keyframes with people under random views; indexed by `Place`.

    Args:
        short_side_px: lowest and highest length of the shorter side after resizing.
        max_boxes: people of one keyframe that train.
    """

    def __init__(
        self,
        index: KeyframeIndex,
        frames: FrameSource,
        sampling: Sampling,
        seed: int,
        short_side_px: tuple[int, int],
        crop_px: int,
        max_boxes: int,
        min_proposal_score: float,
    ) -> None:
        self.index, self._frames, self._sampling = index, frames, sampling
        self._seed, self._short_side, self._crop = seed, short_side_px, crop_px
        self._max_boxes, self._min_score = max_boxes, min_proposal_score

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, place: Place) -> Example:
        draw = np.random.default_rng([self._seed, place.epoch, place.position])
        row, index = place.position, self.index
        low, high = self._sampling.jitter_range
        jitter = draw.integers(low, high + 1, self._sampling.num_frames)
        size = (int(index.size[row, 0]), int(index.size[row, 1]))
        view = random_view(size, self._short_side, self._crop, draw)
        stills = decoded(index, row, self._frames, self._sampling, jitter)
        truth = view_boxes(index.truth(row), size, view)
        proposals = view_boxes(index.proposals(row, self._min_score), size, view)
        generator = torch.Generator().manual_seed(int(draw.integers(2**63)))
        boxes, people = sample_boxes(truth, proposals, self._max_boxes, generator)
        labels = torch.from_numpy(index.labels(row)[people])
        return Example(row, *seen(stills, view), torch.from_numpy(boxes), labels)


class EvaluationKeyframes(Dataset[Example]):
    """All keyframes, whole and unflipped, with the detected people; indexed by position."""

    def __init__(
        self,
        index: KeyframeIndex,
        frames: FrameSource,
        sampling: Sampling,
        short_side_px: int,
        min_proposal_score: float,
    ) -> None:
        self.index, self._frames, self._sampling = index, frames, sampling
        self._short_side, self._min_score = short_side_px, min_proposal_score

    def __len__(self) -> int:
        return len(self.index)

    def view(self, row: int) -> View:
        width, height = self.index.size[row]
        return whole_view((int(width), int(height)), self._short_side)

    def __getitem__(self, row: int) -> Example:
        view, index = self.view(row), self.index
        stills = decoded(index, row, self._frames, self._sampling)
        width, height = index.size[row]
        boxes = view_boxes(self.proposals(row), (int(width), int(height)), view)
        labels = torch.zeros(len(boxes), 0)
        return Example(row, *seen(stills, view), torch.from_numpy(boxes), labels)

    def proposals(self, row: int) -> Boxes:
        """[N, 4] boxes that are scored, fractions of the still."""
        return self.index.proposals(row, self._min_score)

    def batches(self, batch_size: int) -> list[list[int]]:
        """Positions grouped so that each batch has one size of stills: nothing needs padding."""
        groups: dict[tuple[int, int], list[int]] = {}
        for row in range(len(self)):
            width, height = self.index.size[row]
            groups.setdefault((int(width), int(height)), []).append(row)
        return [
            rows[start : start + batch_size]
            for rows in groups.values()
            for start in range(0, len(rows), batch_size)
        ]


def decoded(
    index: KeyframeIndex,
    row: int,
    frames: FrameSource,
    sampling: Sampling,
    jitter: npt.NDArray[np.int64] | None = None,
) -> Frames:
    """[T, H, W, 3] stills of a keyframe, as stored."""
    numbers = sampling.numbers(int(index.frame[row]), int(index.last_frame[row]), jitter)
    return frames.decode(index.clip[row], numbers)
