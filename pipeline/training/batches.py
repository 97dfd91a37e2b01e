"""Batches of decoded frames: what a worker makes and what the training device turns into input.

T frames  H, W stored pixels  Y, X pixels of the crop  N boxes  B clips
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.models.augmentations import Augmentation, Crop, recolour
from pipeline.training.transforms import crop_clips, normalise, source_pixels

Frames = npt.NDArray[np.uint8]  # [T, H, W, 3] RGB
Key = TypeVar("Key")


class FrameSource(Protocol):
    """The part of the frame store that a dataset needs."""

    def decode_into(self, frames: Frames, clip: str, numbers: npt.NDArray[np.int64], /) -> None: ...


class ExampleKey(NamedTuple):
    """Name one use of one example in training."""

    epoch: int
    position: int  # in the dataset

    def generator(self, seed: int, *purpose: int) -> np.random.Generator:
        """Return the random generator of this use; each purpose has a stream of its own."""
        words = [seed, *self, *purpose]
        if seed < 2**32:  # NumPy takes words as they are in a third of the time
            return np.random.default_rng(np.array(words, np.uint32))
        return np.random.default_rng(words)


class Example(NamedTuple):
    """One clip and its crop, before its frames are decoded."""

    position: int  # in the dataset
    clip: str
    numbers: npt.NDArray[np.int64]  # [T] of the stored frames
    size: tuple[int, int]  # width and height of the stored frames
    crop: Crop
    colours: Sequence[float] = ()  # from `drawn_colours`


class Persons(NamedTuple):
    """The person boxes of a batch and their labels."""

    boxes: Tensor  # [N, 5] float32: clip of the batch, x1, y1, x2, y2 in pixels of the crop
    labels: Tensor  # [N, 81] float32, 0 or 1; [N, 0] in evaluation; [B] the class in pretraining


class Batch(NamedTuple):
    """Examples whose crops have one size."""

    positions: list[int]
    clips: Tensor  # [B, T, H, W, 3] uint8 RGB, smaller frames in the upper left corner
    columns: Tensor  # [B, X] float32, where in the frames the columns of the crops lie
    rows: Tensor  # [B, Y] float32, the same of their rows
    colours: Tensor  # [B, N] float32, what the augmentations drew
    boxes: Tensor  # as in `Persons`
    labels: Tensor

    def __reduce__(self) -> tuple[Any, ...]:
        """Send everything but the clips by value to another process.

        These are a few kB, for which shared memory of their own would cost more.
        """
        positions, clips, *others = self
        return _received, (positions, clips, [each.numpy() for each in others])

    def tensors(self) -> list[Tensor]:
        """Return every field but the positions."""
        return list(self[1:])

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device; pinned memory is copied while the caller goes on."""
        return Batch(
            self.positions, *(each.to(device, non_blocking=True) for each in self.tensors())
        )

    def model_input(self, augmentations: Sequence[Augmentation] = ()) -> Tensor:
        """Return [B, 3, T, Y, X] normalised, made on the device that holds the batch.

        Args:
            augmentations: those that drew `colours`.
        """
        clips = crop_clips(self.clips, self.columns, self.rows)
        return normalise(recolour(clips, augmentations, self.colours))


def _received(positions: list[int], clips: Tensor, others: list[npt.NDArray[Any]]) -> Batch:
    return Batch(positions, clips, *map(torch.from_numpy, others))


class Batches(Dataset[Batch], ABC, Generic[Key]):
    """A dataset of whole batches, indexed by the keys of their examples."""

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of examples."""

    @abstractmethod
    def example(self, key: Key, /) -> Example:
        """Return one example."""

    @abstractmethod
    def persons(self, keys: Sequence[Key], examples: Sequence[Example], /) -> Persons:
        """Return the boxes and labels of examples, one for each key."""

    @abstractmethod
    def clip_bytes(self) -> int:
        """Return the bytes that the frames of an example take at most."""

    def __getitem__(self, keys: Sequence[Key]) -> Batch:
        return self.make(keys)

    def make(self, keys: Sequence[Key], memory: Tensor | None = None) -> Batch:
        """Return the batch of some keys.

        Args:
            keys: of examples whose crops have one size.
            memory: uint8 of any content, in which the frames are decoded if they fit.
        """
        examples = [self.example(key) for key in keys]
        return read_batch(examples, self.persons(keys, examples), self._frames, memory)


def frame_bytes(sizes: npt.NDArray[np.integer]) -> int:
    """Return the bytes of a frame that is as large as the largest of [N, 2] width, height."""
    width, height = sizes.max(axis=0).tolist()
    return int(3 * width * height)


def read_batch(
    examples: Sequence[Example],
    persons: Persons,
    frames: FrameSource,
    memory: Tensor | None = None,
) -> Batch:
    """Decode examples whose crops have one size.

    Args:
        examples: the clips of the batch.
        persons: their boxes and labels.
        frames: where the frames are stored.
        memory: as for `Batches.make`.

    Raises:
        ValueError: a frame that is not stored, or not of the example's size.
    """
    columns, rows = source_pixels(
        [each.size for each in examples], [each.crop for each in examples]
    )
    return Batch(
        [each.position for each in examples],
        _decode(examples, frames, memory),
        torch.from_numpy(columns),
        torch.from_numpy(rows),
        torch.tensor([each.colours for each in examples], dtype=torch.float32),
        *persons,
    )


def _decode(examples: Sequence[Example], frames: FrameSource, memory: Tensor | None) -> Tensor:
    """Return [B, T, H, W, 3]; zeros lie below and to the right of smaller frames."""
    width, height = (max(sides) for sides in zip(*(each.size for each in examples), strict=True))
    shape = (len(examples), len(examples[0].numbers), height, width, 3)
    if memory is None or memory.numel() < math.prod(shape):
        clips = torch.empty(shape, dtype=torch.uint8)
    else:
        clips = memory[: math.prod(shape)].view(shape)
    if any(each.size != (width, height) for each in examples):
        clips.zero_()
    for clip, example in zip(clips.numpy(), examples, strict=True):
        own_width, own_height = example.size
        frames.decode_into(clip[:, :own_height, :own_width], example.clip, example.numbers)
    return clips
