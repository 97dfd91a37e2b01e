"""Where people stand, how they look and what frame they are in, before anybody does anything."""

from dataclasses import dataclass

import numpy as np

from pipeline.demo.figure import Colour, Look
from pipeline.demo.scenes import Scene

# Mostly 4:3, so that a square crop still holds most of the people; the wide one is for three.
NARROW_SIZES = ((128, 96), (144, 108), (160, 120), (176, 128))
FRAME_SIZES = (*NARROW_SIZES, (178, 96))
TV_SHARE = 0.34  # of the frame's height: the television hangs above people's heads
SHORTEST = 0.55  # body height, share of the frame's
TALLEST = {1: 0.85, 2: 0.74, 3: 0.62}  # the fewer people, the taller
TALLEST_BELOW_TV = 0.59
# Widest thing that people do in their slot without lying down, in body heights.
WIDTH = 1.08
# Clothes are vivid, to stand out from every wall; white, yellow and cyan are left to hands
# and to the things that people hold.
SHIRTS: tuple[Colour, ...] = (
    (206, 44, 52), (40, 88, 206), (36, 150, 68), (140, 52, 182), (214, 62, 150),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = (
    (34, 44, 96), (44, 44, 48), (92, 48, 30), (24, 82, 76), (98, 22, 56),
)  # fmt: skip
SKINS: tuple[Colour, ...] = (
    (250, 214, 184), (232, 184, 144), (196, 140, 98), (146, 96, 62), (108, 70, 48),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = ((30, 24, 22), (92, 56, 30), (206, 164, 84), (150, 62, 36))


@dataclass(frozen=True)
class Layout:
    """A scene and the free places in it, one per person."""

    scene: Scene
    slots: tuple[tuple[float, float], ...]
    looks: tuple[Look, ...]
    grounds_y: tuple[float, ...]


def _look(rng: np.random.Generator, height_px: float) -> Look:
    shirt, trousers = SHIRTS[rng.integers(len(SHIRTS))], TROUSERS[rng.integers(len(TROUSERS))]
    sleeves = tuple(min(255, c * 5 // 4 + 12) for c in shirt)
    return Look(
        height_px=height_px,
        skin=SKINS[rng.integers(len(SKINS))],
        hair=HAIRS[rng.integers(len(HAIRS))],
        shirt=shirt,
        sleeves=(sleeves[0], sleeves[1], sleeves[2]),
        trousers=trousers,
        shoes=HAIRS[rng.integers(len(HAIRS))],
    )


def _hang_tv(rng: np.random.Generator, width: int, height: int) -> tuple[int, int, int, int]:
    tall = round(height * TV_SHARE) - 3
    wide = tall * 3 // 2
    x = int(rng.integers(2, width - wide - 2))
    return x, 1, x + wide, 1 + tall


def crowd(size: tuple[int, int]) -> int:
    """Return how many people fit beside each other into a frame of that width and height."""
    return int((size[0] - 2) / (WIDTH * SHORTEST * size[1]))


def make_layout(
    rng: np.random.Generator,
    seed: tuple[int, ...],
    size: tuple[int, int],
    num_people: int,
    has_tv: bool,
) -> Layout:
    """Draw lots for a scene with `num_people` (1 to 3) and perhaps a television.

    Args:
        seed: what the background is drawn from.
        size: width and height of the frame in pixels.
    """
    width, height = size
    ground = round(height * float(rng.uniform(0.7, 0.8)))
    step = (width - 2) / num_people
    tallest = min((TALLEST_BELOW_TV if has_tv else TALLEST[num_people]) * height, step / WIDTH)
    tv = _hang_tv(rng, width, height) if has_tv else None
    return Layout(
        Scene(width, height, seed, ground, tv),
        tuple((1 + i * step, 1 + (i + 1) * step) for i in range(num_people)),
        tuple(
            _look(rng, float(rng.uniform(SHORTEST * height, tallest))) for _ in range(num_people)
        ),
        tuple(height * float(rng.uniform(0.965, 0.985)) for _ in range(num_people)),
    )
