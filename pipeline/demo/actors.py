"""One person through a whole video: what they do when, and their figure at any time."""

from dataclasses import dataclass
from math import pi, sin
from typing import NamedTuple

import cv2

from pipeline.demo import motions
from pipeline.demo.figure import (
    OUTLINE,
    Box,
    Image,
    Look,
    Pose,
    Skeleton,
    blend,
    draw_figure,
    figure_box,
    place,
    shifted,
)
from pipeline.demo.motions import ARMS, BODIES, Style
from pipeline.demo.scenes import draw_seat

# A change of action is a short move, not a jump cut; the next keyframe is half a second away.
CHANGE_SECONDS = 0.35
SPEED = {"walk": 0.3, "run": 0.75}  # body heights a second
CENTRED = ("fall", "get_up")
HELD = {"carry": (0.26, 0.22, (250, 206, 40)), "phone": (0.1, 0.2, (40, 236, 244))}


@dataclass(frozen=True)
class Interval:
    """A time during which a person keeps doing the same.

    Attributes:
        start, end: seconds of the video.
        body, arms: names in `motions.BODIES` and `motions.ARMS`.
        style: how it is done.
        facing: 1 right, -1 left; a walker turns at the ends of the slot by itself.
        home: where in the slot the person is, 0 to 1.
        reach_px: how far beyond the slot the figure may go (a punch does).
    """

    start: float
    end: float
    body: str
    arms: str
    style: Style
    facing: int
    home: float = 0.5
    reach_px: float = 0.0


@dataclass(frozen=True)
class Actor:
    """A person of one video: `slot` is the strip (x1, x2 in pixels) that nobody else enters."""

    person_id: int
    look: Look
    slot: tuple[float, float]
    ground_y: float
    intervals: tuple[Interval, ...]
    leaves: float = float("inf")  # second from which on the person is gone

    def doing(self, t: float) -> Interval:
        """Return the interval on at second `t`."""
        for interval in self.intervals:
            if interval.start <= t < interval.end:
                return interval
        return self.intervals[-1]


class Figure(NamedTuple):
    """A person at one instant, ready to be drawn."""

    skeleton: Skeleton
    facing: int
    mouth: float
    held: tuple[Box, tuple[int, int, int]] | None
    seated: bool


def _pose(interval: Interval, t: float) -> Pose:
    body, arms = BODIES[interval.body], ARMS[interval.arms]
    clock = t - (interval.start + interval.end) / 2 if interval.body in CENTRED else t
    return arms.move(t, interval.style, body.pose(clock, interval.style))


def _position(actor: Actor, interval: Interval, t: float) -> tuple[float, int]:
    """Return ground point below the hip, x in pixels, and the facing."""
    x1, x2 = actor.slot
    height = actor.look.height_px
    half = 0.34 * height
    speed = SPEED.get(interval.body, 0.0) * height
    room = (x2 - x1) - 2 * half
    # Short rooms would turn a walker round every moment: then it walks on the spot.
    if speed == 0.0 or room < 1.2 * speed:
        return x1 + interval.home * (x2 - x1), interval.facing
    way = (interval.home * 2 * room + interval.facing * speed * (t - interval.start)) % (2 * room)
    there = way < room
    offset = way if there else 2 * room - way
    return x1 + half + offset, interval.facing if there else -interval.facing


def _previous(actor: Actor, interval: Interval) -> Interval | None:
    index = actor.intervals.index(interval)
    return actor.intervals[index - 1] if index else None


def _mouth(interval: Interval, t: float) -> float:
    return 0.5 + 0.5 * sin(2 * pi * 4.3 * t) if interval.arms == "talk" else 0.0


def _held(interval: Interval, skeleton: Skeleton, height: float, facing: int) -> Box | None:
    if interval.arms not in HELD:
        return None
    width, tall, _ = HELD[interval.arms]
    (x, y), (far_x, far_y) = skeleton.hand_near, skeleton.hand_far
    if interval.arms == "carry":
        x, y = (x + far_x) / 2 + facing * 0.04 * height, (y + far_y) / 2 - 0.03 * height
    half_w, half_h = width * height / 2, tall * height / 2
    return x - half_w - 1, y - half_h - 1, x + half_w + 1, y + half_h + 1


def _inside(low: float, high: float, first: float, last: float) -> float:
    """Shift that brings first..last into low..high, centred when it does not fit."""
    if last - first > high - low:
        return (low + high - first - last) / 2
    return max(low - first, 0.0) + min(high - last, 0.0)


def figure_at(actor: Actor, t: float) -> Figure | None:
    """Return the actor's figure at second `t`; None once the person has left."""
    if t >= actor.leaves:
        return None
    interval = actor.doing(t)
    height = actor.look.height_px
    pose, (x, facing) = _pose(interval, t), _position(actor, interval, t)
    before, share = _previous(actor, interval), (t - interval.start) / CHANGE_SECONDS
    if before is not None and share < 1:
        share = share * share * (3 - 2 * share)
        pose = blend(_pose(before, t), pose, share)
        x = (1 - share) * _position(actor, before, t)[0] + share * x
    skeleton = place(pose, (x, actor.ground_y), height, facing)
    low, high = actor.slot[0] - interval.reach_px, actor.slot[1] + interval.reach_px
    box = figure_box(skeleton, height, _held(interval, skeleton, height, facing))
    skeleton = shifted(skeleton, _inside(low, high, box[0], box[2]))
    held = _held(interval, skeleton, height, facing)
    colour = HELD[interval.arms][2] if held is not None else None
    return Figure(
        skeleton,
        facing,
        _mouth(interval, t),
        (held, colour) if held is not None and colour is not None else None,
        interval.body == "sit",
    )


def box_at(actor: Actor, t: float, width: int, height: int) -> Box | None:
    """The person's box at second `t` in pixels, clipped to the frame; None once they have left.

    Args:
        actor: who.
        t: seconds from the start of the video.
        width: of the frame, in pixels.
        height: of the frame, in pixels.
    """
    figure = figure_at(actor, t)
    if figure is None:
        return None
    held = figure.held[0] if figure.held is not None else None
    x1, y1, x2, y2 = figure_box(figure.skeleton, actor.look.height_px, held)
    return max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2)


def draw_actor(image: Image, actor: Actor, t: float) -> None:
    """Paint the person, their seat and what they hold into an RGB image."""
    figure = figure_at(actor, t)
    if figure is None:
        return
    look = actor.look
    if figure.seated:
        draw_seat(image, figure.skeleton.hip, actor.ground_y, look.height_px)
    draw_figure(image, figure.skeleton, look, figure.facing, figure.mouth)
    if figure.held is not None:
        (x1, y1, x2, y2), colour = figure.held
        start, end = (round(x1) + 1, round(y1) + 1), (round(x2) - 1, round(y2) - 1)
        cv2.rectangle(image, start, end, colour, -1)
        cv2.rectangle(image, start, end, OUTLINE, 1)


def action_ids(actor: Actor, t: float) -> list[int]:
    """Return what the person does themselves at second `t`, as AVA action ids."""
    interval = actor.doing(t)
    own = [BODIES[interval.body].action_id]
    arms = ARMS[interval.arms].action_id
    return own if arms is None else [*own, arms]


def is_resting(actor: Actor, t: float) -> bool:
    """Return whether the person has eyes and ears for what goes on around them at second `t`."""
    interval = actor.doing(t)
    return motions.BODIES[interval.body].resting and interval.arms == "rest"
