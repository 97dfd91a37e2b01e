"""What the annotators and the person detector of the synthetic dataset wrote down."""

import pickle
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.demo.ava import ava_keyframes
from pipeline.demo.figure import Box
from pipeline.demo.film import Film
from pipeline.demo.kinetics import KineticsClip
from pipeline.demo.programme import seeded


class Person(NamedTuple):
    """An annotated person; the box is x1, y1, x2, y2 as fractions of the frame."""

    person_id: int
    box: Box
    action_ids: list[int]


class Keyframe(NamedTuple):
    video_id: str
    timestamp: float
    people: list[Person]


def _annotate(film: Film, second: float, timestamp: float, decimals: int) -> Keyframe:
    width, height = film.size
    people = [
        Person(
            actor.person_id,
            (
                round(box[0] / width, decimals),
                round(box[1] / height, decimals),
                round(box[2] / width, decimals),
                round(box[3] / height, decimals),
            ),
            action_ids,
        )
        for actor, box, action_ids in film.people(second)
    ]
    return Keyframe(film.video_id, timestamp, people)


def annotate_ava(films: Iterable[Film], ava_seconds: int) -> list[Keyframe]:
    """Return every annotated second of every video, by video id and second."""
    return [
        _annotate(film, second, second, 3)
        for film in sorted(films, key=lambda film: film.video_id)
        for second in ava_keyframes(ava_seconds)
    ]


def annotate_kinetics(clips: Iterable[KineticsClip]) -> list[Keyframe]:
    """Return the keyframe of every annotated clip, by video id."""
    return [
        _annotate(clip.film, clip.keyframe - clip.start, clip.keyframe, 6)
        for clip in sorted(clips, key=lambda clip: clip.film.video_id)
        if clip.keyframe is not None
    ]


def ava_csv(keyframes: Iterable[Keyframe]) -> str:
    """Return rows as in ava_train_v2.2.csv: id, padded second, box, action, person id."""
    return "".join(
        f"{video_id},{int(timestamp):04d},{','.join(f'{side:.3f}' for side in person.box)},"
        f"{action_id},{person.person_id}\n"
        for video_id, timestamp, people in keyframes
        for person in people
        for action_id in person.action_ids
    )


def kinetics_csv(keyframes: Iterable[Keyframe]) -> str:
    """Rows as in kinetics_train_v1.0.csv: id, second, box, action; id, second without people."""
    rows = []
    for video_id, timestamp, people in keyframes:
        when = f"{video_id},{timestamp:.6f}"
        rows += [] if people else [f"{when}\n"]
        rows += [
            f"{when},{','.join(f'{side:.6f}' for side in person.box)},{action_id}\n"
            for person in people
            for action_id in person.action_ids
        ]
    return "".join(rows)


# --- the person detector --------------------------------------------------------------------------

JITTER = 0.018  # of the box's size, standard deviation of each side: IoU mostly above 0.85
MISSED_SHARE, FALSE_SHARE, ABSENT_SHARE = 0.04, 0.3, 0.02


def _false_box(rng: np.random.Generator) -> list[float]:
    x, y = rng.uniform(0.0, 0.7, size=2)
    width, height = rng.uniform(0.12, 0.4), rng.uniform(0.25, 0.6)
    # Most false alarms are unsure of themselves, so that a threshold has something to do.
    score = rng.uniform(0.3, 0.93)
    return [x, y, min(1.0, x + width), min(1.0, y + height), score]


def _detect(rng: np.random.Generator, people: list[Person]) -> npt.NDArray[np.float64]:
    rows = []
    for person in people:
        if rng.random() < MISSED_SHARE:
            continue
        x1, y1, x2, y2 = person.box
        size = np.array([x2 - x1, y2 - y1, x2 - x1, y2 - y1])
        box = np.clip(np.array(person.box) + rng.normal(0, JITTER, 4) * size, 0, 1)
        rows.append([*box, 1 - 0.09 * rng.random() ** 2])
    if rng.random() < FALSE_SHARE:
        rows.append(_false_box(rng))
    return np.array(sorted(rows, key=lambda row: -row[4])).reshape(-1, 5)


def detect(keyframes: Iterable[Keyframe], seed: int, padded: bool) -> bytes:
    """Return a pickled dict from keyframe to [N, 5] x1, y1, x2, y2 (fractions), score; best first.

    Args:
        padded: keys are "video,0902" as in AVA's published file; else "video,17.000000".
    """
    found = {}
    for keyframe in keyframes:
        when = f"{int(keyframe.timestamp):04d}" if padded else f"{keyframe.timestamp:.6f}"
        key = f"{keyframe.video_id},{when}"
        rng = seeded(seed, f"proposals/{key}")
        boxes = _detect(rng, keyframe.people)
        # A few keyframes are missing from the published file too.
        if len(boxes) and rng.random() >= ABSENT_SHARE:
            found[key] = boxes
    return pickle.dumps(found, protocol=4)
