"""Which boxes of keyframes train the head, and with which labels.

B keyframes  G ground truth boxes  P proposals; in keyframes with fewer, empty boxes follow

Ground truth boxes come first and always count. A proposal counts when it overlaps a ground truth
box by an IoU of 0.9 or more. Proposals below that would carry no label and never reach the loss, so
they are dropped here instead of being pushed through the head.

Source: mmdet's MaxIoUAssigner and RandomSampler with the settings of mmaction2's AVA configs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

Boxes = npt.NDArray[np.float32]  # [..., N, 4] corners x1, y1, x2, y2

MIN_IOU = np.float32(0.9)
UNASSIGNED = -1


class Sampled(NamedTuple):
    """The boxes that train, by keyframe, the ground truth boxes of each first."""

    keyframe: npt.NDArray[np.int64]  # [N] index in the batch
    boxes: Boxes  # [N, 4]
    person: npt.NDArray[np.int64]  # [N] ground truth box of the keyframe whose labels it takes


def overlaps(boxes: Boxes, others: Boxes) -> npt.NDArray[np.float32]:
    """Return [..., N, M] intersection over union; 0 where both boxes are empty.

    Kept in float32, as in the original: 9000 / 10000 then reaches the threshold of 0.9.
    """
    low = np.maximum(boxes[..., :, None, :2], others[..., None, :, :2])
    high = np.minimum(boxes[..., :, None, 2:], others[..., None, :, 2:])
    sides = np.maximum(high - low, 0)
    shared = sides[..., 0] * sides[..., 1]
    union = _areas(boxes)[..., :, None] + _areas(others)[..., None, :] - shared
    ratio: npt.NDArray[np.float32] = shared / np.maximum(union, np.float32(1e-6))
    return ratio


def assign(ground_truth: Boxes, proposals: Boxes) -> npt.NDArray[np.int64]:
    """Assign proposals to ground truth boxes.

    Every proposal takes the ground truth box it overlaps most. Then each ground truth box in turn
    takes the proposals that overlap it best, even where these overlap an earlier box more: no
    person is left without its best proposal.

    Args:
        ground_truth: [..., G, 4]
        proposals: [..., P, 4] in the same units.

    Returns: [..., P] positions in `ground_truth`, or UNASSIGNED.
    """
    if not ground_truth.shape[-2] or not proposals.shape[-2]:
        return np.full(proposals.shape[:-1], UNASSIGNED)
    iou = overlaps(ground_truth, proposals)
    assigned = np.where(iou.max(axis=-2) >= MIN_IOU, iou.argmax(axis=-2), UNASSIGNED)
    best = iou.max(axis=-1, keepdims=True)
    is_best = (iou == best) & (best >= MIN_IOU)
    for person in range(ground_truth.shape[-2]):
        assigned[is_best[..., person, :]] = person
    return assigned


def sample_boxes(
    ground_truth: Boxes,
    num_ground_truth: npt.NDArray[np.int64],
    proposals: Boxes,
    max_boxes: int,
    seed: Callable[[int], int],
) -> Sampled:
    """Return the boxes that train, and the ground truth box each takes its labels from.

    Args:
        ground_truth: [B, G, 4]
        num_ground_truth: [B] how many of the first ground truth boxes of each keyframe count.
        proposals: [B, P, 4]
        max_boxes: if a keyframe has more, a random choice of this many is kept; ground truth boxes
            may be dropped, too.
        seed: returns the seed of that choice, below 2**63, by the index in the batch.
    """
    assigned = assign(ground_truth, proposals)
    persons = np.arange(ground_truth.shape[1])
    kept = np.concatenate([persons < num_ground_truth[:, None], assigned != UNASSIGNED], axis=1)
    for keyframe in np.flatnonzero(kept.sum(axis=1) > max_boxes):
        candidates = np.flatnonzero(kept[keyframe])
        generator = torch.Generator().manual_seed(seed(int(keyframe)))
        dropped = torch.randperm(len(candidates), generator=generator)[max_boxes:]
        kept[keyframe, candidates[dropped.numpy()]] = False
    boxes = np.concatenate([ground_truth, proposals], axis=1)
    person = np.concatenate([np.broadcast_to(persons, ground_truth.shape[:2]), assigned], axis=1)
    return Sampled(np.nonzero(kept)[0], boxes[kept], person[kept])


def _areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    sides = boxes[..., 2:] - boxes[..., :2]
    area: npt.NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return area
