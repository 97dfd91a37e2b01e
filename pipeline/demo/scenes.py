"""Rooms and landscapes: a still background with clutter, the television, and camera noise."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.demo.figure import OUTLINE, Box, Colour, Image

NUM_NOISE_FIELDS = 8
NOISE_SIGMA = 2.5
TV_CHANGES_HERTZ = 6.0


@dataclass(frozen=True)
class Scene:
    """One place, seen by a fixed camera.

    Attributes:
        width, height: frame size in pixels.
        seed: what the clutter is drawn from.
        ground_y: where the floor meets the wall, in pixels.
        tv: the screen's frame (x1, y1, x2, y2 in pixels), or None where there is no TV.
    """

    width: int
    height: int
    seed: tuple[int, ...]
    ground_y: int
    tv: tuple[int, int, int, int] | None


def _muted(rng: np.random.Generator, low: int, high: int) -> Colour:
    """Return a greyish colour: people are vivid, places are not."""
    grey = int(rng.integers(low, high))
    red, green, blue = np.clip(grey + rng.integers(-12, 13, size=3), 0, 255)
    return int(red), int(green), int(blue)


def _darker(colour: Colour, share: float) -> Colour:
    red, green, blue = colour
    return int(red * share), int(green * share), int(blue * share)


def _gradient(image: Image, rows: slice, top: Colour, bottom: Colour) -> None:
    height = image[rows].shape[0]
    weight = np.linspace(0, 1, max(height, 1))[:, None, None]
    image[rows] = ((1 - weight) * np.array(top) + weight * np.array(bottom)).astype(np.uint8)


def draw_background(scene: Scene) -> Image:
    """Return [H, W, 3] RGB image of the empty place, TV switched off."""
    rng = np.random.default_rng(scene.seed)
    image: Image = np.zeros((scene.height, scene.width, 3), np.uint8)
    indoors = scene.tv is not None or rng.random() < 0.6
    wall = _muted(rng, 140, 185)
    _gradient(image, slice(0, scene.ground_y), wall, _darker(wall, 0.9))
    floor = _muted(rng, 100, 130)
    _gradient(image, slice(scene.ground_y, scene.height), floor, _darker(floor, 0.75))
    (_furnish if indoors else _plant)(image, rng, scene)
    if scene.tv is not None:
        draw_tv(image, scene.tv, None)
    return image


def _furnish(image: Image, rng: np.random.Generator, scene: Scene) -> None:
    """Skirting board, and windows, images and shelves on the wall."""
    cv2.line(image, (0, scene.ground_y), (scene.width, scene.ground_y), _muted(rng, 85, 110), 2)
    for _ in range(int(rng.integers(2, 5))):
        x = int(rng.integers(-8, scene.width - 8))
        y = int(rng.integers(2, max(4, scene.ground_y // 2)))
        w, h = int(rng.integers(10, 30)), int(rng.integers(9, 26))
        kind = rng.integers(3)
        cv2.rectangle(image, (x, y), (x + w, y + h), _muted(rng, 130, 200), -1)
        cv2.rectangle(image, (x, y), (x + w, y + h), _muted(rng, 115, 145), 2)
        if kind == 0:
            cv2.line(image, (x + w // 2, y), (x + w // 2, y + h), _muted(rng, 115, 145), 1)
            cv2.line(image, (x, y + h // 2), (x + w, y + h // 2), _muted(rng, 115, 145), 1)
        elif kind == 1:
            for book in range(x + 2, x + w - 2, 4):
                top = y + int(rng.integers(2, 6))
                cv2.rectangle(image, (book, top), (book + 2, y + h - 2), _muted(rng, 105, 190), -1)
    if rng.random() < 0.5:
        x, w = int(rng.integers(0, scene.width - 24)), int(rng.integers(18, 40))
        top = scene.ground_y - int(rng.integers(8, 18))
        cv2.rectangle(image, (x, top), (x + w, scene.ground_y + 3), _muted(rng, 105, 140), -1)
        cv2.rectangle(image, (x, top), (x + w, scene.ground_y + 3), _muted(rng, 85, 105), 1)


def _plant(image: Image, rng: np.random.Generator, scene: Scene) -> None:
    """Sky, hills, trees and grass."""
    sky, far = (158, 178, 200), (196, 206, 212)
    _gradient(image, slice(0, scene.ground_y), sky, far)
    for _ in range(int(rng.integers(1, 4))):
        centre = (int(rng.integers(0, scene.width)), scene.ground_y)
        axes = (int(rng.integers(25, 70)), int(rng.integers(8, 34)))
        cv2.ellipse(image, centre, axes, 0, 180, 360, _muted(rng, 135, 165), -1, cv2.LINE_AA)
    grass = (int(rng.integers(80, 120)), int(rng.integers(115, 145)), int(rng.integers(70, 100)))
    _gradient(image, slice(scene.ground_y, scene.height), grass, _darker(grass, 0.75))
    for _ in range(int(rng.integers(0, 4))):
        x = int(rng.integers(0, scene.width))
        base, size = scene.ground_y + int(rng.integers(0, 5)), int(rng.integers(8, 16))
        cv2.line(image, (x, base), (x, base - 2 * size), (126, 112, 98), 3)
        cv2.circle(image, (x, base - 2 * size), size, _muted(rng, 110, 140), -1, cv2.LINE_AA)


def draw_tv(image: Image, box: tuple[int, int, int, int], second: float | None) -> None:
    """Paint the television: dark when `second` is None, else the image on at that time."""
    x1, y1, x2, y2 = box
    cv2.rectangle(image, (x1, y1), (x2, y2), OUTLINE, -1)
    if second is None:
        cv2.rectangle(image, (x1 + 2, y1 + 2), (x2 - 2, y2 - 2), (52, 56, 62), -1)
        return
    # Each image lasts a moment and depends on its number alone, whatever the frame rate.
    rng = np.random.default_rng((2087, int(second * TV_CHANGES_HERTZ)))
    vivid = np.zeros((3, 3), np.uint8)
    for row in vivid:
        row[:] = (60, 150, 255)
        rng.shuffle(row)
    screen = image[y1 + 2 : y2 - 1, x1 + 2 : x2 - 1]
    screen[:] = vivid[0]
    across = screen.shape[1] * int(rng.integers(25, 76)) // 100
    screen[:, across:] = vivid[1]
    centre = (across, screen.shape[0] // 2)
    cv2.circle(screen, centre, screen.shape[0] // 3, tuple(int(c) for c in vivid[2]), -1)


def draw_seat(image: Image, hip: tuple[float, float], ground_y: float, height_px: float) -> None:
    """Paint a stool below a sitting person's hip."""
    half, thick = 0.13 * height_px, max(3, round(0.05 * height_px))
    top = hip[1] + 0.085 * height_px
    left, right = round(hip[0] - half), round(hip[0] + half)
    for x in (left + 1, right - 1):
        cv2.line(image, (x, round(top)), (x, round(ground_y)), (58, 40, 30), 2)
    cv2.rectangle(image, (left, round(top)), (right, round(top) + thick), (112, 76, 48), -1)
    cv2.rectangle(image, (left, round(top)), (right, round(top) + thick), OUTLINE, 1)


def noise_fields(scene: Scene) -> list[npt.NDArray[np.int16]]:
    """Return the camera's noise, a few fields that frames take turns with."""
    rng = np.random.default_rng((*scene.seed, 77))
    shape = (NUM_NOISE_FIELDS, scene.height, scene.width, 3)
    fields = rng.normal(0.0, NOISE_SIGMA, shape).round().astype(np.int16)
    return list(fields)


def add_noise(image: Image, field: npt.NDArray[np.int16]) -> Image:
    """Return the image with noise, clipped to 0..255."""
    return cv2.add(image, field, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def overlaps(first: Box, second: Box) -> bool:
    """Return whether two boxes share any area."""
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )
