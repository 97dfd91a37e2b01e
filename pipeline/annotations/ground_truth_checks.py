"""Look over the ground truth of a dataset before anything is downloaded or trained.

What would make mAP meaningless is refused; what is odd but usable is a warning with its count, and
what falls away later stands in coverage_by_class.csv.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.annotations.ava_csv import BOX, refuse_swapped_corners
from pipeline.annotations.class_list import num_outputs
from pipeline.annotations.near_names import in_words, near_misses

logger = logging.getLogger(__name__)

MOST_IDS = 10  # named in a warning


def check_boxes(path: Path, ground_truth: pd.DataFrame) -> dict[str, int]:
    """Refuse boxes with swapped corners; warn of, and count, those to cut and those without area.

    Args:
        path: of the file.
        ground_truth: as from `read_ground_truth`.
    """
    refuse_swapped_corners(path, ground_truth)
    boxes = ground_truth.loc[ground_truth["action_id"] != 0, BOX].to_numpy()
    cut = boxes.clip(0, 1)
    beyond = int((cut != boxes).any(axis=1).sum())
    flat = int(((cut[:, 2] <= cut[:, 0]) | (cut[:, 3] <= cut[:, 1])).sum())
    for number, what in (
        (beyond, "reach over the edge of the frame and are cut there"),
        (flat, "have no area and are left out"),
    ):
        if number:
            logger.warning("%s: %d of %d boxes %s", path, number, len(boxes), what)
    return {"boxes_beyond_edge": beyond, "boxes_without_area": flat}


def check_actions(path: Path, ground_truth: pd.DataFrame, classes: Mapping[int, str]) -> int:
    """Warn of action ids that the class list lacks; return how many rows have one.

    Up to the list's largest id they are taken for gaps that are meant, as AVA's list of 60 has
    them: such actions train, and do not count.
    """
    ids, counts = np.unique(ground_truth["action_id"].to_numpy(), return_counts=True)
    unlisted = [(i, n) for i, n in zip(ids, counts, strict=True) if i and int(i) not in classes]
    beyond = [(i, n) for i, n in unlisted if i > max(classes)]
    shown = ", ".join(f"{i} ({n:,} rows)" for i, n in beyond[:MOST_IDS])
    if beyond:
        dropped = [i for i, _ in beyond if i >= num_outputs(classes)]
        logger.warning(
            "%s: found %d action ids above those of the class list, such as %s: %s",
            *(path, len(beyond), shown),
            "they are left out" if len(dropped) == len(beyond) else "they do not count in mAP",
        )
    return int(sum(n for _, n in unlisted))


def check_exclusions(
    path: Path, excluded: pd.DataFrame, ground_truth: pd.DataFrame
) -> list[tuple[str, str]]:
    """Warn of excluded videos that the ground truth calls differently; return the near misses."""
    known = set(ground_truth["video_id"])
    near = near_misses(set(excluded["video_id"]) - known, known)
    if near:
        logger.warning("%s: found videos that the ground truth lacks%s", path, in_words(near))
    return near


def check_splits(labels: Mapping[str, Iterable[int]], classes: Mapping[int, str]) -> None:
    """Refuse splits without labels that count; warn of classes that only validation has.

    Args:
        labels: split to the action ids that its ground truth has, excluded keyframes left out.
    """
    for split, found in labels.items():
        if not set(found) & set(classes):
            some = sorted(set(found))[:MOST_IDS]
            raise ValueError(
                f"split {split}: found ground truth of the action ids {some}, expected some of the "
                f"class list, such as {sorted(classes)[:MOST_IDS]}"
            )
    learned = set(labels["train"])
    for split, found in labels.items():
        if only := sorted(set(found) & set(classes) - learned):
            names = ", ".join(f"{action} ({classes[action][:40]})" for action in only[:MOST_IDS])
            logger.warning(
                "split %s: %d classes have no ground truth in training, so no mAP to speak of: %s",
                *(split, len(only), names),
            )
