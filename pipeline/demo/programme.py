"""What the films of both parts have in common: rates, containers, ids, seeds, casts."""

from fractions import Fraction
from zlib import crc32

import numpy as np

from pipeline.demo.actors import Actor
from pipeline.demo.film import Shot
from pipeline.demo.script import Planner

NTSC = Fraction(30000, 1001)
AVA_RATES = (Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(50), Fraction(60))
KINETICS_RATES = (Fraction(30), Fraction(25), NTSC, Fraction(24), Fraction(15))
# As in the real list: most are mkv. The two cycles have no common factor, so all pairs come up.
CONTAINERS = ("mkv", "mp4", "mkv", "webm", "mkv")
ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def seeded(seed: int, name: str) -> np.random.Generator:
    """Return a generator of its own for everything that has a name."""
    return np.random.default_rng((seed, crc32(name.encode())))


def youtube_id(seed: int, name: str, first: str = "") -> str:
    """11 letters of YouTube's alphabet, starting with `first`."""
    letters = seeded(seed, f"id/{name}").integers(len(ID_LETTERS), size=11 - len(first))
    return first + "".join(ID_LETTERS[letter] for letter in letters)


def awkward_start(number: int) -> str:
    """Ids that look like an option or a private name are part of the real lists."""
    return {0: "-", 1: "_", 7: "--", 12: "-"}.get(number, "")


def finished_shot(
    planner: Planner, end: float, first_person: int = 0, leaves: float = float("inf")
) -> Shot:
    """Return the planned shot with its cast; people are numbered from `first_person` on."""
    layout = planner.layout
    people = zip(layout.looks, layout.slots, layout.grounds_y, planner.intervals, strict=True)
    actors = tuple(
        Actor(first_person + number, look, slot, ground_y, tuple(intervals), leaves)
        for number, (look, slot, ground_y, intervals) in enumerate(people)
    )
    return Shot(end, layout.scene, actors, tuple(planner.tv_on))
