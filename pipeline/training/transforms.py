"""Show a keyframe's stills to the network: resize, crop, flip, normalise; boxes go along.

The work is split: a loader's worker decides what of a still is seen (`View`) and where its boxes
go; the device that trains resamples the pixels, for a whole batch at once.

T stills  H, W stored pixels  Y, X pixels of the view  B clips

Source: mmaction2's Resize, RandomRescale, RandomCrop and Flip, with their rounding.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Floats = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float32]  # [N, 4] corners x1, y1, x2, y2

MEAN = (123.675, 116.28, 103.53)  # of ImageNet's pixels, RGB
STD = (58.395, 57.12, 57.375)


class View(NamedTuple):
    """What is cut out of a resized still, in pixels."""

    width: int  # of the whole still after resizing
    height: int
    left: int  # what is kept of it
    top: int
    crop_width: int
    crop_height: int
    flip: bool  # whether left and right are swapped at last


def resized(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height when the shorter side becomes `short_side`; halves are rounded up."""
    scale = short_side / min(width, height)
    return int(width * scale + 0.5), int(height * scale + 0.5)


def whole_view(size: tuple[int, int], short_side: int) -> View:
    """The whole still, as in evaluation; `size` is the stored width and height."""
    width, height = resized(*size, short_side)
    return View(width, height, 0, 0, width, height, flip=False)


def random_view(
    size: tuple[int, int], short_side: tuple[int, int], crop: int, draw: np.random.Generator
) -> View:
    """A random scale, place and direction, as in training.

    Args:
        size: stored width and height.
        short_side: lowest and highest length of the shorter side, both included.
        crop: side of the square that is kept.
    """
    width, height = resized(*size, int(draw.integers(short_side[0], short_side[1] + 1)))
    # As in the original, the last place of all is never drawn.
    left = int(draw.integers(0, max(width - crop, 1)))
    top = int(draw.integers(0, max(height - crop, 1)))
    return View(width, height, left, top, crop, crop, flip=bool(draw.random() < 0.5))


def source_pixels(sizes: Sequence[tuple[int, int]], views: Sequence[View]) -> tuple[Floats, Floats]:
    """Where in stored stills the columns and rows of their views lie: bilinear resizing, cropping
    and flipping in one.

    Args:
        sizes: [B] stored width and height.
        views: [B] of one crop_width and crop_height.

    Returns: [B, crop_width] and [B, crop_height], in pixels of the stored stills, inside them.
    """
    stored = np.array(sizes).T[..., None]
    width, height, left, top, crop_width, crop_height, flip = np.array(views).T[..., None]
    columns = _source_places(stored[0], width, left + np.arange(crop_width[0, 0]))
    mirrored = flip[:, 0] > 0
    columns[mirrored] = columns[mirrored, ::-1]
    return columns, _source_places(stored[1], height, top + np.arange(crop_height[0, 0]))


def _source_places(
    stored: npt.NDArray[np.int64], whole: npt.NDArray[np.int64], shown: npt.NDArray[np.int64]
) -> Floats:
    """Where pixels `shown` of stills resized to `whole` lie in the `stored` ones."""
    exact = (shown + 0.5) * (stored / whole) - 0.5
    places: Floats = np.minimum(np.maximum(exact, 0), stored - 1).astype(np.float32)
    return places


def view_clips(clips_BTHWC: Tensor, columns_BX: Tensor, rows_BY: Tensor) -> Tensor:
    """Stored stills under their views, all clips of a batch at once.

    Args:
        clips_BTHWC: [B, T, H, W, 3] uint8; smaller stills lie in the upper left corner.
        columns_BX, rows_BY: `source_pixels` of each clip.

    Returns: [B, T, 3, Y, X] grey levels as float32, not rounded; less than one from OpenCV's, which
    weighs in 11 bits and keeps whole levels.
    """
    num_frames, height, width = clips_BTHWC.shape[1:4]
    planes = clips_BTHWC.permute(0, 1, 4, 2, 3).flatten(1, 2).float()
    across, down = (2 * columns_BX + 1) / width - 1, (2 * rows_BY + 1) / height - 1
    shape = len(clips_BTHWC), down.shape[1], across.shape[1]
    grid = torch.stack([across[:, None].expand(shape), down[:, :, None].expand(shape)], dim=-1)
    seen = F.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    return seen.view(len(seen), num_frames, 3, *shape[1:])


def view_boxes(
    fractions: npt.NDArray[np.floating], sizes: Sequence[tuple[int, int]], views: Sequence[View]
) -> Boxes:
    """Boxes in pixels of their views.

    They are clipped to them; one that lies outside stays, without area, and gets all-zero features.

    Args:
        fractions: [B, N, 4] of the stored width and height.
        sizes: [B] stored width and height.

    Returns: [B, N, 4].
    """
    stored_px, view = np.array(sizes), np.array(views)
    whole, corner, crop, flip = view[:, :2], view[:, 2:4], view[:, 4:6], view[:, 6] > 0
    # float32 step by step, as the original: a box that is exactly on a threshold stays on it.
    stored = (fractions * _both_corners(stored_px).astype(fractions.dtype)).astype(np.float32)
    boxes: Boxes = stored * _both_corners(whole / stored_px)
    boxes -= _both_corners(corner)
    uncropped = (crop == whole).all(axis=1, keepdims=True)  # such a view clips nothing
    first, last = np.where(uncropped, -np.inf, [0, 0]), np.where(uncropped, np.inf, crop - 1)
    boxes = np.minimum(np.maximum(boxes, _both_corners(first)), _both_corners(last))
    widths = crop[flip, :1, None].astype(np.float32)
    boxes[flip, :, ::2] = widths - boxes[flip, :, 2::-2]
    return boxes


def _both_corners(pairs: npt.NDArray[np.number]) -> Floats:
    """[B, 1, 4] of x and y [B, 2], for each corner of every box."""
    return np.tile(pairs, 2)[:, None].astype(np.float32)


def normalise(clips_BTCHW: Tensor) -> Tensor:
    """[B, 3, T, H, W] of grey levels; its memory runs B, T, H, W, C, as the network likes it."""
    mean, std = (
        torch.tensor(each, device=clips_BTCHW.device)[:, None, None] for each in (MEAN, STD)
    )
    normal = (clips_BTCHW - mean).div_(std)
    return normal.permute(0, 1, 3, 4, 2).contiguous().permute(0, 4, 1, 2, 3)
