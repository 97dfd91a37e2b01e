"""The AVA-like videos: short films of several shots, every second of a long span annotated."""

from math import floor
from zlib import crc32

import numpy as np

from pipeline.demo.film import Film, Shot
from pipeline.demo.layout import FRAME_SIZES, crowd, make_layout
from pipeline.demo.programme import (
    AVA_RATES,
    CONTAINERS,
    awkward_start,
    finished_shot,
    seeded,
    youtube_id,
)
from pipeline.demo.script import EPISODES, FLOOR_SECONDS, Balance, Planner

# AVA annotates seconds 900 to 1800 of a film, from 902 to 1798; here the span starts at 4.
SPAN_START, MARGIN_SECONDS = 4, 2
SHOT_SECONDS = (8, 9, 10)
SHORTEST_SHOT = 6
NUM_PEOPLE = {1: 2.0, 2: 5.0, 3: 1.5}
HAS_TV = {True: 5.0, False: 5.0}


def ava_keyframes(ava_seconds: int) -> range:
    """Return the annotated whole seconds of every AVA-like video."""
    return range(SPAN_START + MARGIN_SECONDS, SPAN_START + ava_seconds - MARGIN_SECONDS + 1)


class Director:
    """Plans shot after shot of a split, so that in sum everything gets its share."""

    def __init__(self, seed: int, split: str, ava_seconds: int) -> None:
        self._seed, self._split = seed, split
        self._do, self._play, self._people, self._tv = (
            Balance(seeded(seed, f"ava/{split}/{what}")) for what in ("do", "play", "people", "tv")
        )
        seconds = ava_keyframes(ava_seconds)
        self._annotated = (seconds[0] - 0.5, seconds[-1] + 0.5)
        self._seconds = SPAN_START + ava_seconds

    def film(self, number: int) -> Film:
        """Return the film of that number; ask for each once, in order."""
        name = f"ava/{self._split}/{number}"
        rng = seeded(self._seed, name)
        size = FRAME_SIZES[number % len(FRAME_SIZES)]
        seconds = self._seconds + float(rng.integers(4, 10)) / 2
        return Film(
            youtube_id(self._seed, name, awkward_start(number)),
            CONTAINERS[number % len(CONTAINERS)],
            # Shifted between the splits: a few videos of each show different rates.
            AVA_RATES[(number + 3 * (self._split == "val")) % len(AVA_RATES)],
            seconds,
            size,
            tuple(self._shots(name, rng, size, seconds)),
        )

    def _shots(
        self, name: str, rng: np.random.Generator, size: tuple[int, int], seconds: float
    ) -> list[Shot]:
        shots: list[Shot] = []
        start, num_seen = 0.0, 0
        while start < seconds:
            # Cuts, like changes of action, lie midway between two keyframes.
            end = floor(start) + int(rng.choice(SHOT_SECONDS)) + 0.5
            end = seconds if seconds - end < SHORTEST_SHOT else end
            num_people = self._people.pick(NUM_PEOPLE, range(1, crowd(size) + 1))
            has_tv = num_people < 3 and self._tv.pick(HAS_TV, HAS_TV)
            seed = (self._seed, crc32(name.encode()), len(shots))
            planner = Planner(
                rng, self._do, make_layout(rng, seed, size, num_people, has_tv), self._annotated
            )
            self._fill(planner, start, end)
            shots.append(finished_shot(planner, end, num_seen))
            start, num_seen = end, num_seen + num_people
        return shots

    def _fill(self, planner: Planner, start: float, end: float) -> None:
        """Plan episode after episode until the shot ends."""
        while start < end:
            able = planner.feasible_episodes()
            if end - start < FLOOR_SECONDS:
                able = [name for name in able if name != "floor"]
            seen = planner.seen((start, min(end, start + 5)))
            name = self._play.pick(EPISODES, able, seen)
            length = FLOOR_SECONDS if name == "floor" else int(planner.rng.integers(4, 6))
            until = floor(start) + length + 0.5
            # A rest too short for an action of its own belongs to the last one.
            until = end if end - until < 3 else until
            planner.play(name, (start, until), floor(start) + 2.0)
            start = until


def plan_ava(seed: int, split: str, num_videos: int, ava_seconds: int) -> list[Film]:
    """Return the AVA-like videos of `split`, in the order of their planning.

    Args:
        seed: of the synthetic dataset.
        split: train or val.
        num_videos: how many.
        ava_seconds: length of their annotated span.
    """
    director = Director(seed, split, ava_seconds)
    return [director.film(number) for number in range(num_videos)]
