"""Rows of boxes in columns: which keyframe, which action, which score.

Boxes stay where they are until something needs them: of millions of rows, few are ever looked at.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.annotations.ava_csv import BOX
from pipeline.evaluation.annotated_keyframes import AnnotatedKeyframes, Bools, Floats, Ints

_FEW_IDS = 1 << 20


@dataclass(frozen=True)
class Boxes:
    """Boxes of one side, one entry per row.  N rows"""

    keyframe: Ints  # [N] index into the annotated keyframes
    action: Ints  # [N] index into the classes
    score: Floats  # [N] NaN replaced by infinity; ones for the ground truth
    position: Ints  # [N] row of the table that they were selected from
    corners: tuple[Floats, ...]  # x1 y1 x2 y2 of the whole table

    def __len__(self) -> int:
        return len(self.keyframe)

    def take(self, chosen: Bools | Ints) -> "Boxes":
        return Boxes(
            self.keyframe[chosen],
            self.action[chosen],
            self.score[chosen],
            self.position[chosen],
            self.corners,
        )

    def box(self, chosen: Ints | slice = slice(None)) -> Floats:
        """Return [N, 4] x1 y1 x2 y2 of the chosen rows."""
        position = self.position[chosen]
        box_4N = np.empty((4, len(position)))
        for row, corner in zip(box_4N, self.corners, strict=True):
            np.take(corner, position, out=row)
        return box_4N.T

    def reading_order(self, chosen: Ints | slice = slice(None)) -> list[Floats]:
        """The box part of the tie order, as `np.lexsort` keys (the most important one last)."""
        x1, y1, x2, y2 = self.box(chosen).T
        return [x2, y2, x1, y1]

    def has_area(self) -> Bools:
        x1, y1, x2, y2 = self.corners
        at = self.position
        solid: Bools = (x2[at] > x1[at]) & (y2[at] > y1[at])
        return solid


def select_boxes(
    table: pd.DataFrame, keyframes: AnnotatedKeyframes, excluded: Bools, action_ids: Ints
) -> tuple[Boxes, dict[str, int]]:
    """Return the rows of known keyframes and classes, and how many others there are by reason.

    Args:
        excluded: of `AnnotatedKeyframes.is_excluded`.
        action_ids: the classes that count, ascending.
    """
    action = _class_of(table["action_id"].to_numpy(), action_ids)
    keyframe = keyframes.find(table)
    is_known, counted = keyframe >= 0, action >= 0
    kept = counted & ~excluded[keyframe]
    num_kept, num_reached = int(kept.sum()), int((is_known & counted).sum())
    counts = {
        "rows": len(table),
        "rows_of_other_classes": int((~counted).sum()),
        "rows_outside_keyframes": int((counted & ~is_known).sum()),
        "rows_excluded": num_reached - num_kept,
    }
    score = table["score"].to_numpy(dtype=np.float64) if "score" in table else np.ones(len(table))
    boxes = Boxes(
        keyframe=keyframe,
        action=action,
        score=score,
        position=np.arange(len(table), dtype=np.int32),
        corners=tuple(table[name].to_numpy(dtype=np.float64) for name in BOX),
    )
    boxes = boxes if num_kept == len(table) else boxes.take(kept)
    return boxes, counts


def count_by_video(boxes: Boxes, keyframes: AnnotatedKeyframes, num_actions: int) -> Ints:
    """Return [num_actions, V] boxes of each action in each video, in the order of `video_ids`."""
    counts = np.zeros((num_actions, len(keyframes.video_ids)), dtype=np.int64)
    np.add.at(counts, (boxes.action, keyframes.video(boxes.keyframe)), 1)
    return counts


def _class_of(ids: Ints, action_ids: Ints) -> Ints:
    """Return [N] index into the ascending `action_ids`, -1 for others."""
    if len(action_ids) and action_ids[0] >= 0 and action_ids[-1] < _FEW_IDS:
        number = np.full(int(action_ids[-1]) + 2, -1, dtype=np.int16)
        number[action_ids] = np.arange(len(action_ids))
        return number[np.clip(ids, -1, len(number) - 1)]
    return pd.Index(action_ids).get_indexer(pd.Index(ids))
