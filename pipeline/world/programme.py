"""The films of the demo world: AVA-like videos and Kinetics-like clips, from the seed alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from zlib import crc32

import numpy as np

from pipeline.world.actors import Actor
from pipeline.world.film import Film
from pipeline.world.layout import make_layout
from pipeline.world.script import EPISODES, FLOOR_SECONDS, Balance, Choice, Planner

NTSC = Fraction(30000, 1001)
AVA_RATES = (Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(50), Fraction(60))
KINETICS_RATES = (Fraction(30), Fraction(25), NTSC, Fraction(24), Fraction(15))
# As in the real list: most are mkv. The two cycles have no common factor, so all pairs come up.
CONTAINERS = ("mkv", "mp4", "mkv", "webm", "mkv")
ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# AVA annotates seconds 900 to 1800 of a film, from 902 to 1798; here the span starts at 4.
SPAN_START, MARGIN_SECONDS = 4, 2

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


def seeded(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for everything that has a name."""
    return np.random.default_rng((seed, crc32(name.encode())))


def youtube_id(seed: int, name: str, first: str = "") -> str:
    """11 letters of YouTube's alphabet, starting with `first`."""
    letters = seeded(seed, f"id/{name}").integers(len(ID_LETTERS), size=11 - len(first))
    return first + "".join(ID_LETTERS[letter] for letter in letters)


def _awkward_start(number: int) -> str:
    """Ids that look like an option or a private name are part of the real lists."""
    return {0: "-", 1: "_", 7: "--", 12: "-"}.get(number, "")


def ava_keyframes(ava_seconds: int) -> range:
    """The annotated whole seconds of every AVA-like video."""
    return range(SPAN_START + MARGIN_SECONDS, SPAN_START + ava_seconds - MARGIN_SECONDS + 1)


# --- AVA ------------------------------------------------------------------------------------------


def _fill(planner: Planner, episodes: Balance, seconds: float) -> None:
    """Plan episode after episode; they change midway between two keyframes."""
    start = 0.0
    while start < seconds:
        able = planner.feasible_episodes()
        if seconds - start < FLOOR_SECONDS:
            able = [name for name in able if name != "floor"]
        # A fall and what follows take their time; people do other things for 3 to 6 seconds.
        name = episodes.pick(EPISODES, able)
        length = FLOOR_SECONDS if name == "floor" else int(planner.rng.integers(3, 7))
        end = floor(start) + length + 0.5
        # A rest too short for an action of its own belongs to the last one.
        end = seconds if seconds - end < 3 else end
        planner.play(name, (start, end), floor(start) + 2.0)
        start = end


def _actors(planner: Planner, leaves: float = float("inf")) -> tuple[Actor, ...]:
    layout = planner.layout
    people = zip(layout.looks, layout.slots, layout.grounds_y, planner.stretches, strict=True)
    return tuple(
        Actor(number, look, slot, ground_y, tuple(stretches), leaves)
        for number, (look, slot, ground_y, stretches) in enumerate(people)
    )


def plan_ava(seed: int, split: str, num_videos: int, ava_seconds: int) -> list[Film]:
    """The AVA-like videos of `split`, in the order of their planning."""
    chances, episodes, people, sets = (
        Balance(seeded(seed, f"ava/{split}/{what}")) for what in ("do", "play", "people", "tv")
    )
    films = []
    for number in range(num_videos):
        name = f"ava/{split}/{number}"
        rng = seeded(seed, name)
        num_people = people.pick({1: 2.0, 2: 5.0, 3: 1.0}, (1, 2, 3))
        has_tv = num_people < 3 and sets.pick({True: 6.0, False: 4.0}, (True, False))
        layout = make_layout(rng, (seed, crc32(name.encode())), num_people, has_tv)
        first, last = ava_keyframes(ava_seconds)[0], ava_keyframes(ava_seconds)[-1]
        planner = Planner(rng, chances, layout, (first - 0.5, last + 0.5))
        seconds = SPAN_START + ava_seconds + float(rng.integers(4, 10)) / 2
        _fill(planner, episodes, seconds)
        films.append(
            Film(
                youtube_id(seed, name, _awkward_start(number)),
                CONTAINERS[number % len(CONTAINERS)],
                # Shifted between the splits: a few videos of each show different rates.
                AVA_RATES[(number + 3 * (split == "val")) % len(AVA_RATES)],
                seconds,
                layout.scene,
                _actors(planner),
                tuple(planner.tv_on),
            )
        )
    return films


# --- Kinetics -------------------------------------------------------------------------------------


def _keyframe(rng: np.random.Generator, clip_seconds: int) -> float:
    """An annotated second near the middle of a clip, counted from its start."""
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
        planner.play(shows, span)
    else:
        planner.add(0, span, shows)
        planner.solo(span, planner.people[1:])


def _num_people(rng: np.random.Generator, shows: Choice | str) -> int:
    if shows in WIDE:
        return 1
    return 2 if shows in ("talk", "fight") or rng.random() < 0.4 else 1


def plan_kinetics(seed: int, split: str, num_clips: int, clip_seconds: int) -> list[KineticsClip]:
    """The Kinetics-like clips of `split`, in the order of their planning."""
    chances = Balance(seeded(seed, f"kinetics/{split}/do"))
    labels = list(KINETICS_LABELS)
    order = seeded(seed, f"kinetics/{split}/labels").permutation(len(labels))
    clips = []
    for number in range(num_clips):
        name = f"kinetics/{split}/{number}"
        rng = seeded(seed, name)
        label = labels[order[number % len(labels)]]
        shows = KINETICS_LABELS[label]
        layout = make_layout(
            rng, (seed, crc32(name.encode())), _num_people(rng, shows), shows == "tv"
        )
        planner = Planner(rng, chances, layout, (0.0, float(clip_seconds)))
        keyframe = _keyframe(rng, clip_seconds)
        _act(planner, shows, float(clip_seconds), keyframe)
        # In an empty keyframe the people have just left; each tenth clip or so shows it early.
        empty = number % round(1 / EMPTY_SHARE) == 5
        start = int(rng.integers(0, 180))
        film = Film(
            youtube_id(seed, name, _awkward_start(number)),
            "mp4",
            KINETICS_RATES[number % len(KINETICS_RATES)],
            float(clip_seconds),
            layout.scene,
            _actors(planner, keyframe - 0.3 if empty else float("inf")),
            tuple(planner.tv_on),
        )
        annotated = rng.random() < ANNOTATED_SHARE or empty
        clips.append(
            KineticsClip(
                film, label, start, start + clip_seconds, start + keyframe if annotated else None
            )
        )
    return clips


def by_label(clips: list[KineticsClip]) -> Mapping[str, list[KineticsClip]]:
    """Clips of each Kinetics class, classes in alphabetical order."""
    return {
        label: [clip for clip in clips if clip.label == label]
        for label in sorted({clip.label for clip in clips})
    }
