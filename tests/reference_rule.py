"""Inputs of the reference numbers: each is a function of a name, in integer arithmetic.

The seed is the name's crc32, the stream splitmix64, so any language makes the same bits.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent / "reference"
MEAN = np.array([123.675, 116.28, 103.53], np.float32).reshape(3, 1, 1, 1)
STD = np.array([58.395, 57.12, 57.375], np.float32).reshape(3, 1, 1, 1)

CLIPS = {"a": (1, 3, 4, 64, 80), "b": (1, 3, 8, 96, 128), "c": (2, 3, 8, 64, 64)}
# position in the batch, x1, y1, x2, y2 in pixels
BOXES = {
    "a": [
        [0, 8, 4, 40, 60],
        [0, 0, 0, 80, 64],
        [0, 30.5, 10.25, 71.75, 50.125],
        [0, 70, 50, 79, 63],
        [0, 20, 20, 24, 23],
    ],
    "b": [
        [0, 10, 12, 60, 90],
        [0, 0, 0, 127, 95],
        [0, 64.3, 5.6, 120.9, 88.2],
        [0, 100, 0, 127.999, 40],
        [0, 3.3, 70.7, 19.1, 95.9],
    ],
    "c": [
        [0, 4, 4, 40, 60],
        [0, 20.5, 8.5, 63, 63],
        [1, 0, 0, 63, 63],
        [1, 33, 1, 60, 31],
        [1, 5.5, 30.5, 30.25, 62.75],
    ],
}


def uniform(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1)."""
    count = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        state = np.uint64(zlib.crc32(name.encode())) + count * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return ((state >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)


def weight(key: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Value of a parameter or buffer, by its name in a state_dict."""
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    draw = uniform(key, shape)
    if key.endswith("running_var"):
        value = 0.5 + draw
    elif key.endswith("bn.weight"):
        value = (0.5 + draw) * (0.25 if key.endswith("conv3.bn.weight") else 1.0)
    elif len(shape) >= 2:
        linear_gain = 1.0 if key.endswith("fc_cls.2.weight") else 0.01
        gain = 2.0 if len(shape) == 5 else linear_gain
        value = (2.0 * draw - 1.0) * np.sqrt(3.0 * gain / float(np.prod(shape[1:])))
    else:
        value = 0.2 * (draw - 0.5)
    return value.astype(np.float32)


def pixels(tag: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """A clip [N, 3, T, H, W]."""
    return np.floor(uniform("clip:" + tag, shape) * 256.0).astype(np.uint8)


def clip(tag: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """`pixels`, normalised in float32."""
    return (pixels(tag, shape).astype(np.float32) - MEAN) / STD


def numbers(name: str) -> Any:
    """A stored table: an open npz file, or parsed JSON."""
    path = FOLDER / name
    return np.load(path) if path.suffix == ".npz" else json.loads(path.read_text())


def distance(found: npt.ArrayLike, expected: npt.NDArray[np.float64]) -> float:
    """Largest difference, in standard deviations of what was expected."""
    return float(np.abs(np.asarray(found) - expected).max() / expected.std())
