"""Keyframes as training examples: stills, boxes and labels, made from the index and the frames.

What a keyframe looks like in training is a function of (seed, epoch, position), never of workers,
batches or what was drawn before.

T stills  N boxes  B keyframes of a batch
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from pipeline.sampling import Sampling
from pipeline.training.batches import Batches, Example, FrameSource, People, still_bytes
from pipeline.training.keyframe_index import Boxes, KeyframeIndex
from pipeline.training.targets import sample_boxes
from pipeline.training.transforms import random_view, view_boxes, whole_view

CHOICE_OF_BOXES = 1  # purpose of a draw


class Place(NamedTuple):
    """One visit of one keyframe in training."""

    epoch: int
    position: int  # row of the dataset

    def draw(self, seed: int, *purpose: int) -> np.random.Generator:
        """What is random about it; another stream for each purpose."""
        words = [seed, *self, *purpose]
        if seed < 2**32:  # NumPy takes words as they are in a third of the time
            return np.random.default_rng(np.array(words, np.uint32))
        return np.random.default_rng(words)


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

    def clip_bytes(self) -> int:
        """What the stills of an example take at most."""
        return still_bytes(self.index.size) * self._sampling.num_frames

    def example(self, place: Place, /) -> Example:
        draw, row, index = place.draw(self._seed), place.position, self.index
        low, high = self._sampling.jitter_range
        jitter = draw.integers(low, high + 1, self._sampling.num_frames)
        size = index.stored_size(row)
        view = random_view(size, self._short_side, self._crop, draw)
        numbers = frame_numbers(index, row, self._sampling, jitter)
        return Example(row, index.clip[row], numbers, size, view)

    def people(self, places: Sequence[Place], examples: Sequence[Example], /) -> People:
        """The labelled people and the proposals that match them, with their labels."""
        index, rows = self.index, [place.position for place in places]
        ground_truth, num_ground_truth = _filled_up([index.ground_truth(row) for row in rows])
        proposals, _ = _filled_up([index.proposals(row, self._min_score) for row in rows])
        boxes = _boxes_in_view(np.concatenate([ground_truth, proposals], axis=1), examples)
        people = ground_truth.shape[1]

        def seed(keyframe: int) -> int:
            return int(places[keyframe].draw(self._seed, CHOICE_OF_BOXES).integers(2**63))

        sampled = sample_boxes(
            boxes[:, :people], num_ground_truth, boxes[:, people:], self._max_boxes, seed
        )
        labels = index.labels(np.array(rows)[sampled.keyframe], sampled.person)
        return _people(sampled.keyframe, sampled.boxes, labels)


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

    def clip_bytes(self) -> int:
        """What the stills of an example take at most."""
        return still_bytes(self.index.size) * self._sampling.num_frames

    def example(self, row: int, /) -> Example:
        size, index = self.index.stored_size(row), self.index
        view = whole_view(size, self._short_side)
        return Example(row, index.clip[row], frame_numbers(index, row, self._sampling), size, view)

    def people(self, rows: Sequence[int], examples: Sequence[Example], /) -> People:
        """The detected people, without labels."""
        proposals, numbers = _filled_up([self.proposals(row) for row in rows])
        boxes = _boxes_in_view(proposals, examples)
        keyframe, person = np.nonzero(np.arange(boxes.shape[1]) < numbers[:, None])
        return _people(keyframe, boxes[keyframe, person], np.zeros((len(keyframe), 0), np.float32))

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


def _filled_up(lists: list[Boxes]) -> tuple[Boxes, npt.NDArray[np.int64]]:
    """[B, N, 4] boxes of each keyframe, and how many of them there are [B]; behind them zeros."""
    numbers = np.array([len(boxes) for boxes in lists])
    together = np.zeros((len(lists), numbers.max(), 4))
    for place, boxes in enumerate(lists):
        together[place, : len(boxes)] = boxes
    return together, numbers


def _boxes_in_view(fractions: Boxes, examples: Sequence[Example]) -> npt.NDArray[np.float32]:
    return view_boxes(fractions, [each.size for each in examples], [e.view for e in examples])


def _people(
    keyframe: npt.NDArray[np.int64], boxes: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> People:
    placed = np.concatenate([keyframe[:, None].astype(np.float32), boxes], axis=1)
    return People(torch.from_numpy(placed), torch.from_numpy(labels))
