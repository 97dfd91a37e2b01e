"""What a loader's worker hands over: decoded stills, and what of them is to be seen.

Stills are decoded where they stay, in the memory of their batch.

T stills  H, W stored pixels  Y, X pixels of the view  N boxes  B clips
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

from pipeline.training.transforms import View, normalise, source_pixels, view_clips

Frames = npt.NDArray[np.uint8]  # [T, H, W, 3] RGB
Key = TypeVar("Key")


class FrameSource(Protocol):
    """What a dataset needs of the frame store."""

    def decode_into(self, images: Frames, clip: str, numbers: npt.NDArray[np.int64]) -> None: ...


class Example(NamedTuple):
    """One clip under one view, before its stills are decoded."""

    position: int  # row of the dataset
    clip: str
    numbers: npt.NDArray[np.int64]  # [T] of the stored frames
    size: tuple[int, int]  # width and height of the stored stills
    view: View


class People(NamedTuple):
    """Who is seen in the examples of a batch."""

    boxes: Tensor  # [N, 5] float32: place in the batch, x1, y1, x2, y2 in pixels of the view
    labels: Tensor  # [N, 81] float32, 0 or 1; [N, 0] in evaluation; [B] the class in pretraining


class Batch(NamedTuple):
    """Examples whose views have one size."""

    positions: list[int]
    clips: Tensor  # [B, T, H, W, 3] uint8 RGB, smaller frames in the upper left corner
    columns: Tensor  # [B, X] float32, where in the stills the columns of the views lie
    rows: Tensor  # [B, Y] float32, the same of their rows
    boxes: Tensor  # as in `People`
    labels: Tensor

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, all but the clips goes by value: a few kB, for which shared
        memory of their own would cost more."""
        positions, clips, *others = self
        return _received, (positions, clips, [each.numpy() for each in others])

    def tensors(self) -> list[Tensor]:
        """All of it but the positions."""
        return [self.clips, self.columns, self.rows, self.boxes, self.labels]

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device; pinned memory is read while the caller goes on."""
        return Batch(
            self.positions, *(each.to(device, non_blocking=True) for each in self.tensors())
        )

    def shown(self) -> Tensor:
        """[B, 3, T, Y, X] normalised, made on the device that holds the batch."""
        return normalise(view_clips(self.clips, self.columns, self.rows))


def _received(positions: list[int], clips: Tensor, others: list[npt.NDArray[Any]]) -> Batch:
    return Batch(positions, clips, *map(torch.from_numpy, others))


class Batches(Dataset[Batch], ABC, Generic[Key]):
    """Examples by the batch: indexed by the keys of the examples that make one."""

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames

    @abstractmethod
    def example(self, key: Key, /) -> Example:
        """One example; ValueError when there is none to be had."""

    @abstractmethod
    def people(self, keys: Sequence[Key], examples: Sequence[Example], /) -> People:
        """Who is seen in the examples, one for each key."""

    @abstractmethod
    def clip_bytes(self) -> int:
        """What the stills of an example take at most."""

    def __getitem__(self, keys: Sequence[Key]) -> Batch:
        return self.made(keys)

    def made(self, keys: Sequence[Key], memory: Tensor | None = None) -> Batch:
        """The batch of some keys; its stills lie in `memory` if there is enough of it.

        Args:
            memory: uint8, of any content.
        """
        examples = [self.example(key) for key in keys]
        return read_batch(examples, self.people(keys, examples), self._frames, memory)


def still_bytes(sizes: npt.NDArray[np.integer]) -> int:
    """Bytes of a still into which each of some stills fits; `sizes` are [N, 2] width and height."""
    width, height = sizes.max(axis=0).tolist()
    return int(3 * width * height)


def read_batch(
    examples: Sequence[Example],
    people: People,
    frames: FrameSource,
    memory: Tensor | None = None,
) -> Batch:
    """Decode examples whose views have one size; `memory` as for `Batches.made`.

    Raises:
        ValueError: a frame that is not stored, or not of the example's size.
    """
    columns, rows = source_pixels(
        [each.size for each in examples], [each.view for each in examples]
    )
    return Batch(
        [each.position for each in examples],
        _clips(examples, frames, memory),
        torch.from_numpy(columns),
        torch.from_numpy(rows),
        *people,
    )


def _clips(examples: Sequence[Example], frames: FrameSource, memory: Tensor | None) -> Tensor:
    """[B, T, H, W, 3]; below and to the right of smaller frames there is nothing."""
    width, height = (max(sides) for sides in zip(*(each.size for each in examples), strict=True))
    clips = _in(memory, (len(examples), len(examples[0].numbers), height, width, 3))
    if any(each.size != (width, height) for each in examples):
        clips.zero_()
    for images, example in zip(clips.numpy(), examples, strict=True):
        own_width, own_height = example.size
        frames.decode_into(images[:, :own_height, :own_width], example.clip, example.numbers)
    return clips


def _in(memory: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """Room for uint8 of a shape, with any content."""
    if memory is None or memory.numel() < math.prod(shape):
        return torch.empty(shape, dtype=torch.uint8)
    return memory[: math.prod(shape)].view(shape)
