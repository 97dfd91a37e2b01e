"""The Kinetics-like clips: each shows one class, most have one annotated keyframe."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from pipeline.demo.film import Film
from pipeline.demo.layout import NARROW_SIZES, make_layout
from pipeline.demo.programme import (
    KINETICS_RATES,
    awkward_start,
    finished_shot,
    seeded,
    youtube_id,
)
from pipeline.demo.script import Balance, Choice, Planner

# Kinetics class: the action of the clip's main person, or the episode that the clip shows.
KINETICS_LABELS: dict[str, Choice | str] = {
    "answering questions": "talk",
    "bending back": ("bend", "rest"),
    "carrying weight": ("walk", "carry"),
    "clapping": ("stand", "clap"),
    "faceplanting": "fall",
    "jogging": ("run", "rest"),
    "jumping jacks": ("jump", "rest"),
    "punching person (boxing)": "fight",
    "robot dancing": ("dance", "rest"),
    "situp": "get_up",
    "sleeping": ("lie", "rest"),
    "squat": ("crouch", "rest"),
    "talking on cell phone": ("stand", "phone"),
    "watching tv": "tv",
    "waving hand": ("stand", "wave"),
}
WIDE = ("fall", "get_up", ("lie", "rest"))  # need the whole width of the frame
ANNOTATED_SHARE, EMPTY_SHARE = 0.87, 0.04
WHOLE_SECOND_SHARE = 0.585  # of the real Kinetics timestamps


@dataclass(frozen=True)
class KineticsClip:
    """A labelled clip: the film, its Kinetics class, where it was cut from, and its keyframe.

    Attributes:
        start, end: whole seconds of the (never shown) original video.
        keyframe: annotated second of the original video, or None.
    """

    film: Film
    label: str
    start: int
    end: int
    keyframe: float | None

    @property
    def name(self) -> str:
        return f"{self.film.video_id}_{self.start:06d}_{self.end:06d}"


def _keyframe(rng: np.random.Generator, clip_seconds: int) -> float:
    """Return an annotated second near the middle of a clip, counted from its start."""
    if rng.random() < WHOLE_SECOND_SHARE:
        return float(clip_seconds // 2)
    return round(clip_seconds / 2 + float(rng.uniform(-0.4, 0.4)), 6)


def _act(planner: Planner, shows: Choice | str, seconds: float, middle: float) -> None:
    """Plan a clip that shows one thing from beginning to end; other people do as they like."""
    span = (0.0, seconds)
    if shows == "fall":
        planner.go_down_and_up(0, span, middle)
    elif shows == "get_up":
        planner.get_up(0, span, middle)
    elif isinstance(shows, str):
        planner.play(shows, span, middle)
    else:
        planner.add(0, span, shows)
        planner.solo(span, planner.people[1:])


def _num_people(rng: np.random.Generator, shows: Choice | str) -> int:
    if shows in WIDE:
        return 1
    return 2 if shows in ("talk", "fight") or rng.random() < 0.4 else 1


def plan_kinetics(seed: int, split: str, num_clips: int, clip_seconds: int) -> list[KineticsClip]:
    """Return the Kinetics-like clips of `split`, in the order of their planning.

    Args:
        seed: of the synthetic dataset.
        split: train or val.
        num_clips: how many.
        clip_seconds: length of each.
    """
    chances = Balance(seeded(seed, f"kinetics/{split}/do"))
    labels = list(KINETICS_LABELS)
    order = seeded(seed, f"kinetics/{split}/labels").permutation(len(labels))
    clips = []
    for number in range(num_clips):
        name = f"kinetics/{split}/{number}"
        rng = seeded(seed, name)
        label = labels[order[number % len(labels)]]
        shows = KINETICS_LABELS[label]
        size = NARROW_SIZES[number % len(NARROW_SIZES)]
        background = (seed, crc32(name.encode()))
        layout = make_layout(rng, background, size, _num_people(rng, shows), shows == "tv")
        planner = Planner(rng, chances, layout, (0.0, float(clip_seconds)))
        keyframe = _keyframe(rng, clip_seconds)
        _act(planner, shows, float(clip_seconds), keyframe)
        # In an empty keyframe the people have just left; each tenth clip or so shows it early.
        empty = number % round(1 / EMPTY_SHARE) == 5
        start = int(rng.integers(0, 180))
        film = Film(
            youtube_id(seed, name, awkward_start(number)),
            "mp4",
            KINETICS_RATES[number % len(KINETICS_RATES)],
            float(clip_seconds),
            size,
            (
                finished_shot(
                    planner, float(clip_seconds), leaves=keyframe - 0.3 if empty else float("inf")
                ),
            ),
        )
        annotated = rng.random() < ANNOTATED_SHARE or empty
        clips.append(
            KineticsClip(
                film, label, start, start + clip_seconds, start + keyframe if annotated else None
            )
        )
    return clips
