"""Keyframes as training examples: stills, boxes and labels, made from the index and the frames.

What a keyframe looks like in training is a function of (seed, epoch, position), never of workers,
batches or what was drawn before.

T stills  N boxes
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from pipeline.sampling import Sampling
from pipeline.training.batches import Batches, Example, FrameSource
from pipeline.training.keyframe_index import Boxes, KeyframeIndex
from pipeline.training.targets import sample_boxes
from pipeline.training.transforms import View, random_view, view_boxes, whole_view


class Place(NamedTuple):
    """One visit of one keyframe in training."""

    epoch: int
    position: int  # row of the dataset


class TrainingKeyframes(Batches[Place]):
    """Keyframes with people under random views.

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
        super().__init__(frames)
        self.index, self._sampling = index, sampling
        self._seed, self._short_side, self._crop = seed, short_side_px, crop_px
        self._max_boxes, self._min_score = max_boxes, min_proposal_score

    def __len__(self) -> int:
        return len(self.index)

    def example(self, place: Place, /) -> Example:
        draw = np.random.default_rng([self._seed, place.epoch, place.position])
        row, index = place.position, self.index
        low, high = self._sampling.jitter_range
        jitter = draw.integers(low, high + 1, self._sampling.num_frames)
        size = index.stored_size(row)
        view = random_view(size, self._short_side, self._crop, draw)
        truth, proposals = index.truth(row), index.proposals(row, self._min_score)
        boxes = view_boxes(np.concatenate([truth, proposals]), size, view)
        boxes, people = sample_boxes(
            boxes[: len(truth)], boxes[len(truth) :], self._max_boxes, int(draw.integers(2**63))
        )
        labels = torch.from_numpy(index.labels(row)[people])
        numbers = frame_numbers(index, row, self._sampling, jitter)
        return Example(row, index.clip[row], numbers, size, view, torch.from_numpy(boxes), labels)


class EvaluationKeyframes(Batches[int]):
    """All keyframes, whole and unflipped, with the detected people; their key is the position."""

    def __init__(
        self,
        index: KeyframeIndex,
        frames: FrameSource,
        sampling: Sampling,
        short_side_px: int,
        min_proposal_score: float,
    ) -> None:
        super().__init__(frames)
        self.index, self._sampling = index, sampling
        self._short_side, self._min_score = short_side_px, min_proposal_score

    def __len__(self) -> int:
        return len(self.index)

    def view(self, row: int) -> View:
        return whole_view(self.index.stored_size(row), self._short_side)

    def example(self, row: int, /) -> Example:
        view, index, size = self.view(row), self.index, self.index.stored_size(row)
        boxes = torch.from_numpy(view_boxes(self.proposals(row), size, view))
        numbers = frame_numbers(index, row, self._sampling)
        labels = torch.zeros(len(boxes), 0)
        return Example(row, index.clip[row], numbers, size, view, boxes, labels)

    def proposals(self, row: int) -> Boxes:
        """[N, 4] boxes that are scored, fractions of the still."""
        return self.index.proposals(row, self._min_score)

    def batches(self, batch_size: int) -> list[list[int]]:
        """Positions grouped so that each batch has one size of stills: nothing needs padding."""
        groups: dict[tuple[int, int], list[int]] = {}
        for row in range(len(self)):
            groups.setdefault(self.index.stored_size(row), []).append(row)
        return [
            rows[start : start + batch_size]
            for rows in groups.values()
            for start in range(0, len(rows), batch_size)
        ]


def frame_numbers(
    index: KeyframeIndex,
    row: int,
    sampling: Sampling,
    jitter: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """[T] stored frames that are looked at around a keyframe."""
    return sampling.numbers(int(index.frame[row]), int(index.last_frame[row]), jitter)
