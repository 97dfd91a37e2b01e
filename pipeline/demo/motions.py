"""How every action looks: the pose of a body as a function of time.

An action is what the whole body does (`BODIES`, one per person at a time) or what the arms do on
top of it (`ARMS`). Some frames mislead on purpose: a raised arm may wave or rest, a stride may walk
or stand, and a body halfway to the floor may be falling or getting up.
"""

from collections.abc import Callable
from math import pi, sin
from typing import NamedTuple

from pipeline.demo.figure import Pose, blend


class Style(NamedTuple):
    """How one person does an action.

    Attributes:
        phase: where in its cycle a repeated motion is at time 0, in cycles.
        tempo: factor on the frequency, near 1.
        amount: 0 to 1, how wide the stance or how far a still arm is raised.
        backward: 1 falls and lies forward, -1 backward.
    """

    phase: float
    tempo: float
    amount: float
    backward: int


class Body(NamedTuple):
    action_id: int
    pose: Callable[[float, Style], Pose]
    free_arms: bool  # arms may do something of their own
    resting: bool  # such a person watches TV or listens when there is something to watch or hear


class Arms(NamedTuple):
    action_id: int | None
    move: Callable[[float, Style, Pose], Pose]


# Frequencies in cycles a second. Four frames 16/30 s apart see a motion of 1.875 a second always at
# the same point, eight frames 8/30 s apart one of 3.75: quick motions lie near those on purpose.
WALK_HERTZ = 0.85
RUN_HERTZ = 2.2
WAVE_HERTZ = 1.8
CLAP_HERTZ = 3.5
JUMP_HERTZ = 1.15
DANCE_HERTZ = 0.8
TALK_HERTZ = 1.1
PUNCH_HERTZ = 1.5
# Half of the time that falling down or getting up takes, seconds.
TURN_SECONDS = 0.95


def _wave(t: float, style: Style, hertz: float) -> float:
    """Sine of a repeated motion, -1 to 1."""
    return sin(2 * pi * (hertz * style.tempo * t + style.phase))


def stand(t: float, style: Style) -> Pose:
    spread = 4 + 24 * style.amount
    sway = 1.5 * _wave(t, style, 0.3)
    return Pose(sway, 0, -10 - spread / 3, 4, 10 + spread / 3, 16, spread, spread, -spread, -spread)


def walk(t: float, style: Style) -> Pose:
    swing = _wave(t, style, WALK_HERTZ)
    lifted = _wave(t + 0.25 / WALK_HERTZ, style, WALK_HERTZ)
    thigh = 27 * swing
    return Pose(
        4, 0, 30 * swing, 30 * swing + 12, -30 * swing, 12 - 30 * swing,
        -thigh, -thigh - 22 * max(0.0, -lifted), thigh, thigh - 22 * max(0.0, lifted),
    )  # fmt: skip


def run(t: float, style: Style) -> Pose:
    swing = _wave(t, style, RUN_HERTZ)
    near, far = 18 + 48 * swing, 18 - 48 * swing
    return Pose(
        16, -6, 55 * swing, 55 * swing + 85, -55 * swing, 85 - 55 * swing,
        far, far - 45 - 35 * swing, near, near - 45 + 35 * swing, 0.03 + 0.03 * abs(swing),
    )  # fmt: skip


def jump(t: float, style: Style) -> Pose:
    height = _wave(t, style, JUMP_HERTZ)
    air, knees = max(0.0, height), 40 * max(0.0, -height)
    arm = 160 + 14 * height
    return Pose(
        knees / 3, 0, -arm, -arm, arm, arm,
        -24 * air + knees, -24 * air - knees, 24 * air + knees, 24 * air - knees, 0.16 * air,
    )  # fmt: skip


def dance(t: float, style: Style) -> Pose:
    # Straight arms on either side, one up while the other is down, like a tilting aeroplane.
    sway = _wave(t, style, DANCE_HERTZ)
    return Pose(
        14 * sway, -8 * sway, -100 + 52 * sway, -100 + 52 * sway, 100 + 52 * sway, 100 + 52 * sway,
        -16 + 18 * max(0.0, sway), -18 - 24 * max(0.0, sway),
        16 - 18 * max(0.0, -sway), 18 + 24 * max(0.0, -sway),
    )  # fmt: skip


def bend(t: float, style: Style) -> Pose:
    lean = 84 + 5 * _wave(t, style, 0.35)
    return Pose(lean, -8, 6, 10, -4, 6, 4, 0, -6, -2)


def crouch(t: float, style: Style) -> Pose:
    sway = 2 * _wave(t, style, 0.3)
    return Pose(34 + sway, -10, 28, 36, 12, 24, 118, -40, 104, -52)


def sit(t: float, style: Style) -> Pose:
    sway = 1.5 * _wave(t, style, 0.25)
    return Pose(-4 + sway, 2, 22, 62, 12, 55, 86, 4, 90, -8)


def lie(t: float, style: Style) -> Pose:
    breath = 1.5 * _wave(t, style, 0.25)
    side = style.backward
    return Pose(
        88 * side, 0, -75 * side, -80 * side, -80 * side + breath, -86 * side,
        -86 * side, -88 * side, -89 * side, -89 * side,
    )  # fmt: skip


def _down(share: float, style: Style) -> Pose:
    """Return the way from standing (0) through buckled knees to lying (1)."""
    upright = stand(0.0, style)._replace(lean=0.0)
    side = style.backward
    buckled = Pose(
        42 * side, 0, 70 * side, 95 * side, 85 * side, 110 * side,
        55 - 30 * side, -60 - 20 * side, 65 - 30 * side, -45 - 20 * side,
    )  # fmt: skip
    if share < 0.5:
        return blend(upright, buckled, 2 * share)
    return blend(buckled, lie(0.0, style), 2 * share - 1)


def _eased(t: float) -> float:
    """0 before -TURN_SECONDS, 1 after TURN_SECONDS, smooth between."""
    share = min(1.0, max(0.0, (t + TURN_SECONDS) / (2 * TURN_SECONDS)))
    return share * share * (3 - 2 * share)


def fall(t: float, style: Style) -> Pose:
    """Fall down; `t` counts from the middle of the fall."""
    return _down(_eased(t), style)


def get_up(t: float, style: Style) -> Pose:
    """Return the very frames of `fall` in the other order; `t` counts from the middle."""
    return _down(_eased(-t), style)


def rest_arms(t: float, style: Style, pose: Pose) -> Pose:
    return pose


def wave_hand(t: float, style: Style, pose: Pose) -> Pose:
    return pose._replace(upper_near=118, fore_near=172 + 50 * _wave(t, style, WAVE_HERTZ))


def raise_hand(t: float, style: Style, pose: Pose) -> Pose:
    return pose._replace(upper_near=118, fore_near=122 + 100 * style.amount)


def _hands_apart(pose: Pose, apart: float) -> Pose:
    """Both forearms ahead of the chest; 0 palms together, 1 far apart."""
    return pose._replace(
        upper_far=62 + 46 * apart, fore_far=88 + 40 * apart,
        upper_near=62 - 46 * apart, fore_near=88 - 40 * apart,
    )  # fmt: skip


def clap(t: float, style: Style, pose: Pose) -> Pose:
    return _hands_apart(pose, 0.5 + 0.5 * _wave(t, style, CLAP_HERTZ))


def hold_hands_still(t: float, style: Style, pose: Pose) -> Pose:
    return _hands_apart(pose, style.amount)


def carry(t: float, style: Style, pose: Pose) -> Pose:
    return pose._replace(upper_far=28, fore_far=84, upper_near=20, fore_near=78)


def phone(t: float, style: Style, pose: Pose) -> Pose:
    return pose._replace(upper_near=42, fore_near=176 + 3 * _wave(t, style, 0.4))


def talk(t: float, style: Style, pose: Pose) -> Pose:
    beat = _wave(t, style, TALK_HERTZ)
    return pose._replace(
        upper_near=24 + 12 * beat, fore_near=82 + 30 * beat,
        upper_far=-48, fore_far=30, head=pose.head + 7 * beat,
    )  # fmt: skip


def punch(t: float, style: Style, pose: Pose) -> Pose:
    beat = _wave(t, style, PUNCH_HERTZ)
    near, far = max(0.0, beat), max(0.0, -beat)
    return pose._replace(
        lean=8.0, upper_near=38 + 54 * near, fore_near=142 - 48 * near,
        upper_far=38 + 54 * far, fore_far=142 - 48 * far,
    )  # fmt: skip


BODIES: dict[str, Body] = {
    "stand": Body(12, stand, free_arms=True, resting=True),
    "sit": Body(11, sit, free_arms=True, resting=True),
    "lie": Body(8, lie, free_arms=False, resting=True),
    "walk": Body(14, walk, free_arms=True, resting=False),
    "run": Body(10, run, free_arms=False, resting=False),
    "jump": Body(7, jump, free_arms=False, resting=False),
    "dance": Body(4, dance, free_arms=False, resting=False),
    "bend": Body(1, bend, free_arms=False, resting=False),
    "crouch": Body(3, crouch, free_arms=False, resting=False),
    "fall": Body(5, fall, free_arms=False, resting=False),
    "get_up": Body(6, get_up, free_arms=False, resting=False),
}

ARMS: dict[str, Arms] = {
    "rest": Arms(None, rest_arms),
    "wave": Arms(69, wave_hand),
    "raise": Arms(None, raise_hand),
    "clap": Arms(67, clap),
    "hold_still": Arms(None, hold_hands_still),
    "carry": Arms(17, carry),
    "phone": Arms(15, phone),
    "talk": Arms(79, talk),
    "punch": Arms(64, punch),
}

WATCH_TV = 61
LISTEN = 74
EVALUATED_IDS = sorted(
    {body.action_id for body in BODIES.values()}
    | {arms.action_id for arms in ARMS.values() if arms.action_id is not None}
    | {WATCH_TV, LISTEN}
)
