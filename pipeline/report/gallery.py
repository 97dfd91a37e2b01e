"""Choose the keyframes that the report shows, with ground truth and detections."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.annotations.ava_csv import BOX
from pipeline.evaluation.matching import HIT_IOU, iou
from pipeline.report.figures import short_name
from pipeline.report.study import Study
from pipeline.video.frame_store import FrameStore

Image = npt.NDArray[np.uint8]  # [H, W, 3] RGB
Floats = npt.NDArray[np.float64]

MIN_SCORE = 0.3  # an action below is not shown, unless it is the person's best
MAX_ACTIONS = 3  # per person


@dataclass(frozen=True)
class Action:
    """A named action of a person, with the detector's score and whether the ground truth agrees."""

    name: str
    score: float
    is_right: bool


@dataclass(frozen=True)
class Person:
    """A box (x1 y1 x2 y2, fractions) and its best actions."""

    box: Floats
    actions: list[Action]

    @property
    def is_right(self) -> bool:
        """Whether the ground truth agrees with every action shown."""
        return all(action.is_right for action in self.actions)


@dataclass(frozen=True)
class Keyframe:
    """One image of the gallery."""

    video_id: str
    timestamp: float
    image: Image
    ground_truth: list[tuple[Floats, list[str]]]  # boxes and what each person does
    found: list[Person]


def make_gallery(study: Study, frames: FrameStore, num_keyframes: int) -> list[Keyframe]:
    """Return keyframes of the main split, chosen by ground truth, never by what came out well."""
    rows = choose_keyframes(study.keyframes, num_keyframes)
    return [_load(study, frames, study.keyframes.iloc[row]) for row in rows]


def choose_keyframes(keyframes: pd.DataFrame, number: int) -> list[int]:
    """Rows of an index to show: each adds most actions not yet shown; no video twice if it can be.

    Args:
        keyframes: columns video_id and labels (action ids of each person).
    """
    actions = [{int(a) for person in labels for a in person} for labels in keyframes["labels"]]
    videos = keyframes["video_id"].tolist()
    chosen: list[int] = []
    shown: set[int] = set()
    left = [row for row, found in enumerate(actions) if found]
    while left and len(chosen) < number:
        used = [videos[row] for row in chosen]
        best = max(
            left,
            key=lambda row: (-used.count(videos[row]), len(actions[row] - shown), -row),
        )
        chosen.append(best)
        shown |= actions[best]
        left.remove(best)
    return chosen


def _load(study: Study, frames: FrameStore, row: "pd.Series[Any]") -> Keyframe:
    boxes = np.asarray(row["boxes"], dtype=np.float64).reshape(-1, 4)
    labels = [{int(action) for action in person} for person in np.asarray(row["labels"], object)]
    found = study.best_detections
    here = found[
        (found["video_id"] == row["video_id"])
        & np.isclose(found["timestamp"], float(row["timestamp"]), rtol=0, atol=1e-6)
    ]
    people = _people(here, boxes, labels, study.classes)
    clip, number = str(row["clip"]), int(row["frame"])
    names = [
        [short_name(study.classes[action]) for action in sorted(person) if action in study.classes]
        for person in labels
    ]
    return Keyframe(
        video_id=str(row["video_id"]),
        timestamp=float(row["timestamp"]),
        image=frames.decode(clip, [min(max(number, 1), frames.last_frame(clip))])[0],
        ground_truth=list(zip(boxes, names, strict=True)),
        found=people,
    )


def _people(
    detections: pd.DataFrame, boxes: Floats, labels: list[set[int]], classes: dict[int, str]
) -> list[Person]:
    people = []
    for box, rows in detections.groupby(BOX, sort=True):
        corners = np.array(box, dtype=np.float64)
        person = _ground_truth_under(corners, boxes)
        best = rows.sort_values(["score", "action_id"], ascending=[False, True])[:MAX_ACTIONS]
        actions = [
            Action(
                short_name(classes[action]), score, person is not None and action in labels[person]
            )
            for action, score in zip(best["action_id"], best["score"], strict=True)
            if action in classes
        ]
        sure = [action for action in actions if action.score >= MIN_SCORE]
        people.append(Person(corners, sure or actions[:1]))
    return people


def _ground_truth_under(box: Floats, boxes: Floats) -> int | None:
    if not len(boxes):
        return None
    overlap = iou(np.broadcast_to(box, boxes.shape), boxes)
    best = int(np.argmax(overlap))
    return best if overlap[best] >= HIT_IOU else None
