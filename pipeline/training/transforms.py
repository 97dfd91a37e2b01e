"""Show a keyframe's stills to the network: resize, crop, flip, normalise; boxes go along.

T stills  H, W pixels  B clips

Source: mmaction2's Resize, RandomRescale, RandomCrop and Flip, with their rounding.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Frames = npt.NDArray[np.uint8]  # [T, H, W, 3] RGB
Boxes = npt.NDArray[np.float32]  # [N, 4] corners x1, y1, x2, y2

MEAN = (123.675, 116.28, 103.53)  # of ImageNet's pixels, RGB
STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class View:
    """What is cut out of a resized still, in pixels.

    Attributes:
        width, height: of the whole still after resizing.
        left, top, crop_width, crop_height: what is kept of it.
        flip: whether left and right are swapped at last.
    """

    width: int
    height: int
    left: int
    top: int
    crop_width: int
    crop_height: int
    flip: bool


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


def view_frames(frames: Frames, view: View) -> Frames:
    """[T, crop_height, crop_width, 3] of stills [T, H, W, 3]."""
    if frames.shape[1:3] != (view.height, view.width):
        size = (view.width, view.height)
        frames = np.stack(
            [cv2.resize(still, size, interpolation=cv2.INTER_LINEAR) for still in frames]
        )
    rows = slice(view.top, view.top + view.crop_height)
    columns = slice(view.left, view.left + view.crop_width)
    kept = frames[:, rows, columns]
    if not view.flip:
        return np.ascontiguousarray(kept)
    mirrored = np.empty(kept.shape, np.uint8)
    for still, target in zip(kept, mirrored, strict=True):
        cv2.flip(still, 1, target)  # several times as fast as a copy by a negative stride
    return mirrored


def view_boxes(fractions: npt.NDArray[np.floating], size: tuple[int, int], view: View) -> Boxes:
    """Boxes in pixels of the view.

    They are clipped to it; one that lies outside stays, without area, and gets all-zero features.

    Args:
        fractions: [N, 4] of the stored width and height.
        size: stored width and height.
    """
    # float32 step by step, as the original: a box that is exactly on a threshold stays on it.
    stored = (fractions * np.array([*size, *size], fractions.dtype)).astype(np.float32)
    scale = np.array([view.width / size[0], view.height / size[1]], np.float32)
    boxes: Boxes = stored * np.tile(scale, 2)
    if (view.crop_width, view.crop_height) != (view.width, view.height):
        boxes = boxes - np.tile(np.array([view.left, view.top], np.float32), 2)
        boxes[:, 0::2] = boxes[:, 0::2].clip(0, view.crop_width - 1)
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, view.crop_height - 1)
    if view.flip:
        boxes[:, [0, 2]] = view.crop_width - boxes[:, [2, 0]]
    return boxes


def normalise(clips_BTHWC: Tensor) -> Tensor:
    """[B, 3, T, H, W] float32 of uint8 stills; its memory runs B, T, H, W, C."""
    mean = torch.tensor(MEAN, device=clips_BTHWC.device)
    std = torch.tensor(STD, device=clips_BTHWC.device)
    return ((clips_BTHWC.float() - mean) / std).permute(0, 4, 1, 2, 3)
