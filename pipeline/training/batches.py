"""What a loader's worker hands over: decoded stills, and what of them is to be seen.

T stills  H, W stored pixels  Y, X pixels of the view  N boxes  B clips
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.training.transforms import View, normalise, source_pixels, view_clips

Frames = npt.NDArray[np.uint8]  # [T, H, W, 3] RGB


class Example(NamedTuple):
    """One clip under one view."""

    position: int  # row of the dataset
    stills: Tensor  # [T, H, W, 3] uint8 RGB, as stored
    columns: Tensor  # [X] float32, where in the stills the columns of the view lie
    rows: Tensor  # [Y] float32, the same of its rows
    boxes: Tensor  # [N, 4] float32, pixels of the view
    labels: Tensor  # [N, 81] float32, 0 or 1; [N, 0] in evaluation; the class in pretraining


class Batch(NamedTuple):
    """Examples whose views have one size."""

    positions: list[int]
    clips: Tensor  # [B, T, H, W, 3] uint8 RGB, as stored; smaller stills in the upper left corner
    columns: Tensor  # [B, X] float32, where in the stills the columns of the views lie
    rows: Tensor  # [B, Y] float32, the same of their rows
    boxes: Tensor  # [N, 5] place in the batch, x1, y1, x2, y2 in pixels of the view
    labels: Tensor  # [N, 81], or [B] of the class in pretraining

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


def seen(stills: Frames, view: View) -> tuple[Tensor, Tensor, Tensor]:
    """An example's stills, columns and rows."""
    columns, rows = source_pixels((stills.shape[2], stills.shape[1]), view)
    return torch.from_numpy(stills), torch.from_numpy(columns), torch.from_numpy(rows)


def collate(examples: Sequence[Example]) -> Batch:
    """Stack examples whose views have one size."""
    places = [torch.full((len(each.boxes), 1), float(i)) for i, each in enumerate(examples)]
    boxes = torch.cat([each.boxes for each in examples])
    return Batch(
        *stacked(examples),
        torch.cat([torch.cat(places), boxes], dim=1),
        torch.cat([each.labels for each in examples]),
    )


def stacked(examples: Sequence[Example]) -> tuple[list[int], Tensor, Tensor, Tensor]:
    """Positions, clips, columns and rows of a batch."""
    stills = [each.stills for each in examples]
    shape = tuple(max(sides) for sides in zip(*(each.shape for each in stills), strict=True))
    if any(each.shape != shape for each in stills):
        stills = [padded(each, shape) for each in stills]
    return (
        [each.position for each in examples],
        torch.stack(stills),
        torch.stack([each.columns for each in examples]),
        torch.stack([each.rows for each in examples]),
    )


def padded(stills_THWC: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Stills of a larger shape, with nothing below and to the right of them."""
    larger = stills_THWC.new_zeros(shape)
    larger[:, : stills_THWC.shape[1], : stills_THWC.shape[2]] = stills_THWC
    return larger
