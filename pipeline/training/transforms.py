"""Turn decoded frames into model input: resize, crop, flip, normalise; boxes go along.

The work is split: a worker chooses the `Crop` and moves the boxes; the device that trains resamples
the pixels, for a whole batch at once.

T frames  H, W stored pixels  Y, X pixels of the crop  B clips

Source: mmaction2's Resize, RandomRescale, RandomCrop and Flip, with their rounding.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.models.augmentations import Crop

Floats = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float32]  # [N, 4] corners x1, y1, x2, y2

MEAN = (123.675, 116.28, 103.53)  # of ImageNet's pixels, RGB
STD = (58.395, 57.12, 57.375)


def source_pixels(sizes: Sequence[tuple[int, int]], crops: Sequence[Crop]) -> tuple[Floats, Floats]:
    """Return where in stored frames the columns and rows of crops lie.

    Bilinear resizing, cropping and flipping become one resampling this way.

    Args:
        sizes: [B] stored width and height.
        crops: [B] of one crop_width and crop_height.

    Returns: [B, crop_width] and [B, crop_height], in pixels of the stored frames, inside them.
    """
    stored = np.array(sizes).T[..., None]
    width, height, left, top, crop_width, crop_height, flip = np.array(crops).T[..., None]
    columns = _source_positions(stored[0], width, left + np.arange(crop_width[0, 0]))
    mirrored = flip[:, 0] > 0
    columns[mirrored] = columns[mirrored, ::-1]
    return columns, _source_positions(stored[1], height, top + np.arange(crop_height[0, 0]))


def _source_positions(
    stored: npt.NDArray[np.int64], whole: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64]
) -> Floats:
    """Return where pixels of frames resized to `whole` lie in the `stored` ones."""
    exact = (pixels + 0.5) * (stored / whole) - 0.5
    positions: Floats = np.minimum(np.maximum(exact, 0), stored - 1).astype(np.float32)
    return positions


def crop_clips(clips_BTHWC: Tensor, columns_BX: Tensor, rows_BY: Tensor) -> Tensor:
    """Resample the crops of all clips of a batch at once.

    Args:
        clips_BTHWC: [B, T, H, W, 3] uint8; smaller frames lie in the upper left corner.
        columns_BX: [B, X] columns from `source_pixels`.
        rows_BY: [B, Y] rows from `source_pixels`.

    Returns: [B, T, 3, Y, X] grey levels 0..255 as float32, not rounded. They differ by less than
    one from OpenCV's, which weighs in 11 bits and keeps whole levels.
    """
    num_frames, height, width = clips_BTHWC.shape[1:4]
    planes = clips_BTHWC.permute(0, 1, 4, 2, 3).flatten(1, 2).float()
    across, down = (2 * columns_BX + 1) / width - 1, (2 * rows_BY + 1) / height - 1
    shape = len(clips_BTHWC), down.shape[1], across.shape[1]
    grid = torch.stack([across[:, None].expand(shape), down[:, :, None].expand(shape)], dim=-1)
    crops = F.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    return crops.view(len(crops), num_frames, 3, *shape[1:])


def crop_boxes(
    fractions: npt.NDArray[np.floating], sizes: Sequence[tuple[int, int]], crops: Sequence[Crop]
) -> Boxes:
    """Return boxes in pixels of their crops, clipped to them.

    A box outside its crop stays, without area, and gets all-zero features.

    Args:
        fractions: [B, N, 4] of the stored width and height.
        sizes: [B] stored width and height.
        crops: [B]

    Returns: [B, N, 4].
    """
    stored_px, values = np.array(sizes), np.array(crops)
    whole, corner, crop, flip = values[:, :2], values[:, 2:4], values[:, 4:6], values[:, 6] > 0
    # float32 step by step, as the original: a box that is exactly on a threshold stays on it.
    stored = (fractions * _both_corners(stored_px).astype(fractions.dtype)).astype(np.float32)
    boxes: Boxes = stored * _both_corners(whole / stored_px)
    boxes -= _both_corners(corner)
    uncropped = (crop == whole).all(axis=1, keepdims=True)  # a whole frame clips nothing
    first, last = np.where(uncropped, -np.inf, [0, 0]), np.where(uncropped, np.inf, crop - 1)
    boxes = np.minimum(np.maximum(boxes, _both_corners(first)), _both_corners(last))
    widths = crop[flip, :1, None].astype(np.float32)
    boxes[flip, :, ::2] = widths - boxes[flip, :, 2::-2]
    return boxes


def _both_corners(pairs: npt.NDArray[np.number]) -> Floats:
    """Return [B, 1, 4] of x and y [B, 2], for each corner of every box."""
    return np.tile(pairs, 2)[:, None].astype(np.float32)


def normalise(clips_BTCHW: Tensor) -> Tensor:
    """Return [B, 3, T, H, W] of grey levels; memory runs B, T, H, W, C: fast for the network."""
    mean, std = (
        torch.tensor(each, device=clips_BTCHW.device)[:, None, None] for each in (MEAN, STD)
    )
    normal = (clips_BTCHW - mean).div_(std)
    return normal.permute(0, 1, 3, 4, 2).contiguous().permute(0, 4, 1, 2, 3)
