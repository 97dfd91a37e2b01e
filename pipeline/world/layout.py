"""Where people stand, how they look and what frame they are in, before anybody does anything."""

from dataclasses import dataclass

import numpy as np

from pipeline.world.figure import Colour, Look
from pipeline.world.scenes import Scene

FRAME_SIZES = ((128, 96), (160, 120), (170, 96), (176, 128), (200, 96))
TV_SHARE = 0.27  # of the frame's width, kept free of people
SHORTEST = 0.55  # body height, share of the frame's
TALLEST = {1: 0.85, 2: 0.74, 3: 0.62}  # the fewer people, the taller
# Widest thing that people do in their slot without lying down, in body heights.
WIDTH = 1.05
# Clothes are vivid or nearly black and white, so that they stand out from every wall.
SHIRTS: tuple[Colour, ...] = (
    (214, 48, 52), (40, 92, 214), (36, 158, 72), (240, 150, 32), (146, 56, 186), (238, 238, 232),
    (222, 62, 150), (28, 168, 178),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = (
    (34, 44, 96), (44, 44, 48), (112, 58, 34), (24, 92, 84), (226, 214, 186), (108, 24, 62),
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


def _fits(size: tuple[int, int], num_people: int, has_tv: bool) -> bool:
    width = size[0] * (1 - TV_SHARE * has_tv) / num_people
    return width >= WIDTH * SHORTEST * size[1]


def make_layout(
    rng: np.random.Generator, seed: tuple[int, ...], num_people: int, has_tv: bool
) -> Layout:
    """Draw lots for a scene with `num_people` (1 to 3) and perhaps a television."""
    sizes = [size for size in FRAME_SIZES if _fits(size, num_people, has_tv)]
    width, height = sizes[rng.integers(len(sizes))]
    ground = round(height * float(rng.uniform(0.7, 0.8)))
    low, high, tv = 1.0, width - 1.0, None
    if has_tv:
        tv_width = round(width * TV_SHARE) - 6
        left = bool(rng.random() < 0.5)
        x = 3 if left else width - 3 - tv_width
        y = round(height * float(rng.uniform(0.1, 0.32)))
        tv = (x, y, x + tv_width, y + tv_width * 3 // 4)
        low, high = (width * TV_SHARE, high) if left else (low, width * (1 - TV_SHARE))
    step = (high - low) / num_people
    tallest = min(TALLEST[num_people] * height, step / WIDTH)
    return Layout(
        Scene(width, height, seed, ground, tv),
        tuple((low + i * step, low + (i + 1) * step) for i in range(num_people)),
        tuple(
            _look(rng, float(rng.uniform(SHORTEST * height, tallest))) for _ in range(num_people)
        ),
        tuple(height * float(rng.uniform(0.93, 0.985)) for _ in range(num_people)),
    )
