"""Which boxes of a keyframe train the head, and with which labels.

G truth boxes  P proposals

Truth boxes come first and always count. A proposal counts when it overlaps a truth box by an IoU of
0.9 or more. Proposals below that would carry no label and never reach the loss, so they are dropped
here instead of being pushed through the head.

Source: mmdet's MaxIoUAssigner and RandomSampler with the settings of mmaction2's AVA configs.
"""

import numpy as np
import numpy.typing as npt
import torch

Boxes = npt.NDArray[np.float32]  # [N, 4] corners x1, y1, x2, y2

MIN_IOU = np.float32(0.9)
UNASSIGNED = -1


def overlaps(boxes: Boxes, others: Boxes) -> npt.NDArray[np.float32]:
    """[N, M] intersection over union; 0 where both boxes are empty.

    Kept in float32, as in the original: 9000 / 10000 then reaches the threshold of 0.9.
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    sides = np.maximum(high - low, 0)
    shared = sides[..., 0] * sides[..., 1]
    area, other_area = _areas(boxes), _areas(others)
    union = area[:, None] + other_area[None, :] - shared
    ratio: npt.NDArray[np.float32] = shared / np.maximum(union, np.float32(1e-6))
    return ratio


def assign(truth: Boxes, proposals: Boxes) -> npt.NDArray[np.int64]:
    """Truth box that each proposal stands for.

    Every proposal takes the truth box it overlaps most. Then each truth box in turn takes the
    proposals that overlap it best, even where these overlap an earlier box more: no person is left
    without its best proposal.

    Returns: [P] positions in `truth`, or UNASSIGNED.
    """
    if not len(truth) or not len(proposals):
        return np.full(len(proposals), UNASSIGNED)
    iou = overlaps(truth, proposals)
    assigned = np.where(iou.max(axis=0) >= MIN_IOU, iou.argmax(axis=0), UNASSIGNED)
    for person, best in enumerate(iou.max(axis=1)):
        if best >= MIN_IOU:
            assigned[iou[person] == best] = person
    return assigned


def sample_boxes(
    truth: Boxes, proposals: Boxes, max_boxes: int, seed: int
) -> tuple[Boxes, npt.NDArray[np.int64]]:
    """Boxes that train on this keyframe, and the truth box each takes its labels from.

    Args:
        truth: [G, 4], proposals: [P, 4] in the same units.
        max_boxes: a random choice of this many is kept when there are more; truth boxes too may go.
        seed: of that choice, below 2**63.

    Returns: [N, 4] boxes, truth first; [N] positions in `truth`.
    """
    assigned = assign(truth, proposals)
    positive = assigned != UNASSIGNED
    boxes = np.concatenate([truth, proposals[positive]])
    people = np.concatenate([np.arange(len(truth)), assigned[positive]])
    if len(boxes) > max_boxes:
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(boxes), generator=generator)[:max_boxes].sort().values.numpy()
        boxes, people = boxes[chosen], people[chosen]
    return boxes, people


def _areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    sides = boxes[:, 2:] - boxes[:, :2]
    area: npt.NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return area
