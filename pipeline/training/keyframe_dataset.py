"""Keyframes as examples: frames, boxes and labels, made from the index and the frame store.

What a keyframe looks like in training is a function of (seed, epoch, position), never of workers,
batches or earlier examples.

T frames  N boxes  B keyframes of a batch
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from pipeline.models.augmentations import (
    COLOURS,
    Augmentation,
    Crop,
    augmented_crop,
    drawn_colours,
    whole_frame,
)
from pipeline.sampling import Sampling
from pipeline.training.batches import (
    Batches,
    Example,
    ExampleKey,
    FrameSource,
    Key,
    Persons,
    frame_bytes,
)
from pipeline.training.keyframe_index import Boxes, KeyframeIndex
from pipeline.training.targets import sample_boxes
from pipeline.training.transforms import crop_boxes

CHOICE_OF_BOXES = 1  # purpose of a random generator


class _Keyframes(Batches[Key]):
    """What training and evaluation share.

    Args:
        index: the keyframes.
        frames: where their frames are stored.
        sampling: which frames around a keyframe are used.
        min_score: proposals below it are left out.
    """

    def __init__(
        self, index: KeyframeIndex, frames: FrameSource, sampling: Sampling, min_score: float
    ) -> None:
        super().__init__(frames)
        self.index, self._sampling, self._min_score = index, sampling, min_score

    def __len__(self) -> int:
        return len(self.index)

    def clip_bytes(self) -> int:
        return frame_bytes(self.index.size) * self._sampling.num_frames

    def proposals(self, row: int) -> Boxes:
        """Return [N, 4] boxes of detected persons, fractions of the frame."""
        return self.index.proposals(row, self._min_score)

    def _example(
        self,
        row: int,
        crop: Crop,
        jitter: npt.NDArray[np.int64] | None = None,
        colours: Sequence[float] = (),
    ) -> Example:
        index = self.index
        keyframe, last = int(index.frame[row]), int(index.last_frame[row])
        numbers = self._sampling.numbers(keyframe, last, jitter)
        return Example(row, index.clip[row].as_py(), numbers, index.stored_size(row), crop, colours)


class TrainingKeyframes(_Keyframes[ExampleKey]):
    """Keyframes with labelled persons, randomly cropped.

    Args:
        index, frames, sampling: as for `_Keyframes`.
        seed: of crops, jitter and the choice of boxes.
        augmentations: of frames, in their order.
        max_boxes: boxes of one keyframe that train.
        min_proposal_score: proposals below it are left out.
    """

    def __init__(
        self,
        index: KeyframeIndex,
        frames: FrameSource,
        sampling: Sampling,
        seed: int,
        augmentations: Sequence[Augmentation],
        max_boxes: int,
        min_proposal_score: float,
    ) -> None:
        super().__init__(index, frames, sampling, min_proposal_score)
        self._seed, self._augmentations = seed, augmentations
        self._max_boxes = max_boxes

    def example(self, key: ExampleKey, /) -> Example:
        generator = key.generator(self._seed)
        low, high = self._sampling.jitter_range
        jitter = generator.integers(low, high + 1, self._sampling.num_frames)
        size = self.index.stored_size(key.position)
        crop = augmented_crop(size, self._augmentations, generator)
        colours = drawn_colours(self._augmentations, key.generator(self._seed, COLOURS))
        return self._example(key.position, crop, jitter, colours)

    def persons(self, keys: Sequence[ExampleKey], examples: Sequence[Example], /) -> Persons:
        """Return the labelled persons and the proposals that match them, with their labels."""
        index, rows = self.index, [key.position for key in keys]
        ground_truth, num_ground_truth = _padded([index.ground_truth(row) for row in rows])
        proposals, _ = _padded([self.proposals(row) for row in rows])
        boxes = _cropped_boxes(np.concatenate([ground_truth, proposals], axis=1), examples)
        first_proposal = ground_truth.shape[1]

        def seed(keyframe: int) -> int:
            return int(keys[keyframe].generator(self._seed, CHOICE_OF_BOXES).integers(2**63))

        sampled = sample_boxes(
            boxes[:, :first_proposal],
            num_ground_truth,
            boxes[:, first_proposal:],
            self._max_boxes,
            seed,
        )
        labels = index.labels(np.array(rows)[sampled.keyframe], sampled.person)
        return _persons(sampled.keyframe, sampled.boxes, labels)


class EvaluationKeyframes(_Keyframes[int]):
    """All keyframes with their detected persons, neither cropped nor flipped.

    A keyframe's key is its position in the index.

    Args:
        index, frames, sampling: as for `_Keyframes`.
        short_side_px: length of the shorter side after resizing.
        min_proposal_score: proposals below it are left out.
    """

    def __init__(
        self,
        index: KeyframeIndex,
        frames: FrameSource,
        sampling: Sampling,
        short_side_px: int,
        min_proposal_score: float,
    ) -> None:
        super().__init__(index, frames, sampling, min_proposal_score)
        self._short_side = short_side_px

    def example(self, row: int, /) -> Example:
        return self._example(row, whole_frame(self.index.stored_size(row), self._short_side))

    def persons(self, rows: Sequence[int], examples: Sequence[Example], /) -> Persons:
        """Return the detected persons, without labels."""
        proposals, numbers = _padded([self.proposals(row) for row in rows])
        boxes = _cropped_boxes(proposals, examples)
        keyframe, person = np.nonzero(np.arange(boxes.shape[1]) < numbers[:, None])
        no_labels = np.zeros((len(keyframe), 0), np.float32)
        return _persons(keyframe, boxes[keyframe, person], no_labels)

    def batches(self, batch_size: int) -> list[list[int]]:
        """Return positions by batch; a batch has frames of one size, so nothing is padded."""
        groups: dict[tuple[int, int], list[int]] = {}
        for row in range(len(self)):
            groups.setdefault(self.index.stored_size(row), []).append(row)
        return [
            rows[start : start + batch_size]
            for rows in groups.values()
            for start in range(0, len(rows), batch_size)
        ]


def _padded(lists: list[Boxes]) -> tuple[Boxes, npt.NDArray[np.int64]]:
    """Return [B, N, 4] boxes of each keyframe, zeros behind them, and [B] how many there are."""
    numbers = np.array([len(boxes) for boxes in lists])
    together = np.zeros((len(lists), numbers.max(), 4))
    for keyframe, boxes in enumerate(lists):
        together[keyframe, : len(boxes)] = boxes
    return together, numbers


def _cropped_boxes(fractions: Boxes, examples: Sequence[Example]) -> npt.NDArray[np.float32]:
    return crop_boxes(fractions, [each.size for each in examples], [e.crop for e in examples])


def _persons(
    keyframe: npt.NDArray[np.int64], boxes: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]
) -> Persons:
    indexed = np.concatenate([keyframe[:, None].astype(np.float32), boxes], axis=1)
    return Persons(torch.from_numpy(indexed), torch.from_numpy(labels))
