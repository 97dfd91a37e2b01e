"""What a loader's worker hands over: decoded stills, and what of them is to be seen.

Stills are decoded where they stay, in the memory of their batch.

T stills  H, W stored pixels  Y, X pixels of the view  N boxes  B clips
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

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

    def decode_into(self, stills: Frames, clip: str, numbers: npt.NDArray[np.int64]) -> None: ...


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
    clips: Tensor  # [B, T, H, W, 3] uint8 RGB, as stored; smaller stills in the upper left corner
    columns: Tensor  # [B, X] float32, where in the stills the columns of the views lie
    rows: Tensor  # [B, Y] float32, the same of their rows
    boxes: Tensor  # as in `People`
    labels: Tensor

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

    def __getitem__(self, keys: Sequence[Key]) -> Batch:
        examples = [self.example(key) for key in keys]
        return read_batch(examples, self.people(keys, examples), self._frames)


def read_batch(examples: Sequence[Example], people: People, frames: FrameSource) -> Batch:
    """Decode examples whose views have one size.

    Raises:
        ValueError: a frame that is not stored, or not of the example's size.
    """
    columns, rows = source_pixels(
        [each.size for each in examples], [each.view for each in examples]
    )
    return Batch(
        [each.position for each in examples],
        torch.from_numpy(_stills(examples, frames)),
        torch.from_numpy(columns),
        torch.from_numpy(rows),
        *people,
    )


def _stills(examples: Sequence[Example], frames: FrameSource) -> npt.NDArray[np.uint8]:
    """[B, T, H, W, 3]; below and to the right of smaller stills there is nothing."""
    width, height = (max(sides) for sides in zip(*(each.size for each in examples), strict=True))
    shape = len(examples), len(examples[0].numbers), height, width, 3
    alike = all(each.size == (width, height) for each in examples)
    stills = (np.empty if alike else np.zeros)(shape, np.uint8)
    for clip, example in zip(stills, examples, strict=True):
        own_width, own_height = example.size
        frames.decode_into(clip[:, :own_height, :own_width], example.clip, example.numbers)
    return stills
