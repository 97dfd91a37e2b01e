"""One articulated person: where the joints are, how they are drawn, and the exact box around them.

Body units: lengths are fractions of the standing height; x runs along the facing direction, y up
from the ground. Angles are degrees: a limb at 0 hangs down, 90 points ahead, 180 up, -90 behind;
the torso at 0 is upright, 90 bowed ahead.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import cos, hypot, radians, sin
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Point = tuple[float, float]
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]

THIGH = SHIN = 0.245
TORSO = 0.29
UPPER_ARM = FOREARM = 0.175
HEAD_RADIUS = 0.095
LIMB_WIDTH = (
    0.085  # thick on purpose: a limb must survive chroma subsampling and a stride-16 network
)
TORSO_WIDTH = 0.17
OUTLINE: Colour = (22, 20, 26)
LIPS: Colour = (150, 10, 24)
GLOVES: Colour = (255, 252, 240)  # what hands do tells half of the actions: they must be seen
HAND_RADIUS = 0.06
# OpenCV takes fixed-point coordinates; without a fraction slow limbs would jump pixel by pixel.
SHIFT_BITS = 4


class Pose(NamedTuple):
    """Joint angles in degrees, and how far the body is off the ground in body heights."""

    lean: float
    head: float
    upper_far: float
    fore_far: float
    upper_near: float
    fore_near: float
    thigh_far: float
    shin_far: float
    thigh_near: float
    shin_near: float
    lift: float = 0.0


def blend(first: Pose, second: Pose, weight: float) -> Pose:
    """Return the pose `weight` (0 to 1) of the way from `first` to `second`."""
    return Pose(*(a + (b - a) * weight for a, b in zip(first, second, strict=True)))


@dataclass(frozen=True)
class Look:
    """What makes one person differ from the next; colours are RGB."""

    height_px: float
    skin: Colour
    hair: Colour
    shirt: Colour
    sleeves: Colour
    trousers: Colour
    shoes: Colour


class Skeleton(NamedTuple):
    """Joint positions in pixels, y down."""

    hip: Point
    neck: Point
    head: Point
    elbow_far: Point
    hand_far: Point
    elbow_near: Point
    hand_near: Point
    knee_far: Point
    foot_far: Point
    knee_near: Point
    foot_near: Point


def _limb(start: Point, length: float, degrees: float) -> Point:
    angle = radians(degrees)
    return start[0] + length * sin(angle), start[1] - length * cos(angle)


def _body_points(pose: Pose) -> list[Point]:
    """Joints in body units with the hip at the origin, in the order of `Skeleton`."""
    hip = (0.0, 0.0)
    neck = _limb(hip, TORSO, 180.0 - pose.lean)
    head = _limb(neck, HEAD_RADIUS + 0.035, 180.0 - pose.lean - pose.head)
    shoulder = _limb(hip, TORSO * 0.9, 180.0 - pose.lean)
    elbow_far = _limb(shoulder, UPPER_ARM, pose.upper_far)
    hand_far = _limb(elbow_far, FOREARM, pose.fore_far)
    elbow_near = _limb(shoulder, UPPER_ARM, pose.upper_near)
    hand_near = _limb(elbow_near, FOREARM, pose.fore_near)
    knee_far = _limb(hip, THIGH, pose.thigh_far)
    foot_far = _limb(knee_far, SHIN, pose.shin_far)
    knee_near = _limb(hip, THIGH, pose.thigh_near)
    foot_near = _limb(knee_near, SHIN, pose.shin_near)
    return [
        hip, neck, head, elbow_far, hand_far, elbow_near, hand_near,
        knee_far, foot_far, knee_near, foot_near,
    ]  # fmt: skip


def place(pose: Pose, root_px: Point, height_px: float, facing: int) -> Skeleton:
    """Joints of a pose in the image; `root_px` is the ground below the hip, `facing` 1 or -1."""
    points = _body_points(pose)
    # The lowest joint carries the body, so every pose stands, sits or lies on the ground by itself.
    half = LIMB_WIDTH / 2
    lowest = min(min(y for _, y in points) - half, points[2][1] - HEAD_RADIUS, -TORSO_WIDTH / 2)
    rise = pose.lift - lowest
    x0, y0 = root_px
    return Skeleton(
        *((x0 + facing * height_px * x, y0 - height_px * (y + rise)) for x, y in points)
    )


def shifted(skeleton: Skeleton, dx: float) -> Skeleton:
    """Return the same figure `dx` pixels to the right."""
    return Skeleton(*((x + dx, y) for x, y in skeleton))


def figure_box(skeleton: Skeleton, height_px: float, held: Box | None = None) -> Box:
    """Box (x1, y1, x2, y2 in pixels, unclipped) of all that `draw_figure` paints, plus a pixel."""
    limb = max(LIMB_WIDTH / 2, HAND_RADIUS) * height_px + 2.5
    torso = TORSO_WIDTH * height_px / 2 + 2.5
    head = HEAD_RADIUS * height_px + 2.5
    x1 = x2 = skeleton.hip[0]
    y1 = y2 = skeleton.hip[1]
    for index, (x, y) in enumerate(skeleton):
        radius = torso if index < 2 else head if index == 2 else limb
        x1, x2 = min(x1, x - radius), max(x2, x + radius)
        y1, y2 = min(y1, y - radius), max(y2, y + radius)
    if held is not None:
        x1, y1 = min(x1, held[0]), min(y1, held[1])
        x2, y2 = max(x2, held[2]), max(y2, held[3])
    return x1, y1, x2, y2


def _fixed(point: Point) -> tuple[int, int]:
    scale = 1 << SHIFT_BITS
    return round(point[0] * scale), round(point[1] * scale)


def draw_chain(image: Image, points: list[Point], width_px: int, colours: list[Colour]) -> None:
    """Paint connected thick segments over one dark outline, one colour per segment."""
    fixed = [_fixed(point) for point in points]
    for start, end in pairwise(fixed):
        cv2.line(image, start, end, OUTLINE, width_px + 2, cv2.LINE_AA, SHIFT_BITS)
    for start, end, colour in zip(fixed, fixed[1:], colours, strict=False):
        cv2.line(image, start, end, colour, width_px, cv2.LINE_AA, SHIFT_BITS)


def draw_disc(image: Image, centre: Point, radius_px: float, colour: Colour) -> None:
    """Paint a filled antialiased disc."""
    radius = round(radius_px * (1 << SHIFT_BITS))
    cv2.circle(image, _fixed(centre), radius, colour, -1, cv2.LINE_AA, SHIFT_BITS)


def _draw_head(image: Image, skeleton: Skeleton, look: Look, facing: int, mouth: float) -> None:
    radius = HEAD_RADIUS * look.height_px
    (x, y), (neck_x, neck_y) = skeleton.head, skeleton.neck
    draw_disc(image, (x, y), radius + 1, OUTLINE)
    draw_disc(image, (x, y), radius, look.skin)
    # The face turns with the body: `up` leads from the neck to the crown, `ahead` to the nose.
    reach = hypot(x - neck_x, y - neck_y)
    up = ((x - neck_x) / reach, (y - neck_y) / reach)
    ahead = (-facing * up[1], facing * up[0])

    def on_face(forward: float, upward: float) -> Point:
        return (
            x + radius * (forward * ahead[0] + upward * up[0]),
            y + radius * (forward * ahead[1] + upward * up[1]),
        )

    draw_disc(image, on_face(-0.3, 0.45), radius * 0.62, look.hair)
    draw_disc(image, on_face(0.45, 0.05), radius * 0.17, OUTLINE)
    if mouth > 0:
        draw_disc(image, on_face(0.5, -0.4), radius * (0.2 + 0.4 * mouth), LIPS)


def _draw_hand(image: Image, hand: Point, look: Look) -> None:
    draw_disc(image, hand, HAND_RADIUS * look.height_px + 1, OUTLINE)
    draw_disc(image, hand, HAND_RADIUS * look.height_px, GLOVES)


def draw_figure(
    image: Image, skeleton: Skeleton, look: Look, facing: int, mouth: float = 0.0
) -> None:
    """Paint one person into an RGB image, far limbs first.

    Args:
        image: [H, W, 3] RGB, changed in place.
        skeleton: joints in pixels.
        look: size and colours.
        facing: 1 looks right, -1 looks left.
        mouth: how far the mouth is open, 0 (closed, not drawn) to 1.
    """
    limb = max(3, round(LIMB_WIDTH * look.height_px) - 1)
    torso = max(5, round(TORSO_WIDTH * look.height_px) - 1)
    hip, neck = skeleton.hip, skeleton.neck
    shoulder = (hip[0] + 0.9 * (neck[0] - hip[0]), hip[1] + 0.9 * (neck[1] - hip[1]))
    legs = [look.trousers, look.trousers]
    arms = [look.sleeves, look.sleeves]
    draw_chain(image, [shoulder, skeleton.elbow_far, skeleton.hand_far], limb, arms)
    _draw_hand(image, skeleton.hand_far, look)
    draw_chain(image, [hip, skeleton.knee_far, skeleton.foot_far], limb, legs)
    draw_chain(image, [hip, skeleton.knee_near, skeleton.foot_near], limb, legs)
    draw_chain(image, [hip, shoulder], torso, [look.shirt])
    _draw_head(image, skeleton, look, facing, mouth)
    draw_chain(image, [shoulder, skeleton.elbow_near, skeleton.hand_near], limb, arms)
    _draw_hand(image, skeleton.hand_near, look)
    for foot in (skeleton.foot_far, skeleton.foot_near):
        draw_disc(image, foot, limb / 2, look.shoes)
