"""Who does what when: seeded plans for films, balanced so that every action gets its share.

Films of a split are planned one after the other, so a longer list begins with the shorter one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from pipeline.demo.actors import Interval
from pipeline.demo.layout import Layout
from pipeline.demo.motions import TURN_SECONDS, Style

T = TypeVar("T")
Choice = tuple[str, str]  # body, arms

SOLO: dict[Choice, float] = {
    ("stand", "rest"): 4,
    ("stand", "wave"): 5,
    ("stand", "raise"): 2,
    ("stand", "clap"): 5,
    ("stand", "hold_still"): 2,
    ("stand", "phone"): 2,
    ("stand", "carry"): 2,
    ("walk", "rest"): 6,
    ("walk", "carry"): 3,
    ("walk", "phone"): 2,
    ("run", "rest"): 5,
    ("jump", "rest"): 5,
    ("dance", "rest"): 5,
    ("crouch", "rest"): 5,
    ("bend", "rest"): 5,
    ("sit", "rest"): 4,
    ("sit", "phone"): 2,
    ("sit", "wave"): 2,
    ("sit", "clap"): 2,
    ("lie", "rest"): 3,
}
AT_REST: dict[Choice, float] = {("stand", "rest"): 5, ("sit", "rest"): 4, ("lie", "rest"): 1}
EPISODES: dict[str, float] = {"solo": 9, "talk": 3, "tv": 3, "fight": 2, "floor": 5, "rise": 2.5}
FLOOR_SECONDS = 6
LYING_WIDTH = 1.16  # body heights that a person on the ground needs
GETTING_UP_SECONDS = 3  # from the middle of falling to the middle of getting up


@dataclass
class Balance:
    """Deals options in proportion to their weights: always the one furthest behind its share."""

    rng: np.random.Generator
    used: dict[object, float] = field(default_factory=dict)

    def pick(self, weights: dict[T, float], allowed: Iterable[T], amount: float = 1.0) -> T:
        """One of `allowed`, counted as used by `amount`; near ties are broken by lot."""
        options = [option for option in weights if option in set(allowed)]
        behind = [
            (self.used.get(option, 0.0) + amount * float(self.rng.random())) / weights[option]
            for option in options
        ]
        chosen = options[int(np.argmin(behind))]
        self.used[chosen] = self.used.get(chosen, 0.0) + amount
        return chosen


@dataclass
class Planner:
    """Fills the time of one film with intervals for each of its people."""

    rng: np.random.Generator
    balance: Balance
    layout: Layout
    annotated: tuple[float, float]  # only these seconds count for the balance
    intervals: list[list[Interval]] = field(default_factory=list)
    tv_on: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.intervals = [[] for _ in self.layout.slots]

    @property
    def people(self) -> range:
        return range(len(self.layout.slots))

    def can_lie(self, person: int) -> bool:
        x1, x2 = self.layout.slots[person]
        return x2 - x1 >= LYING_WIDTH * self.layout.looks[person].height_px

    def seen(self, span: tuple[float, float]) -> float:
        """Annotated seconds within the span; never 0, so that what is unseen is dealt out too."""
        return max(0.25, min(span[1], self.annotated[1]) - max(span[0], self.annotated[0]))

    def style(self) -> Style:
        return Style(
            phase=float(self.rng.random()),
            tempo=float(self.rng.uniform(0.94, 1.06)),
            amount=float(self.rng.random()),
            backward=1 if self.rng.random() < 0.5 else -1,
        )

    def add(
        self,
        person: int,
        span: tuple[float, float],
        choice: Choice,
        style: Style | None = None,
        facing: int | None = None,
        home: float | None = None,
        reach_px: float = 0.0,
    ) -> None:
        """Append an interval; what is not given is drawn by lot.

        Args:
            person: who does it.
            span: first and last second.
            choice: the action.
            style: of the motion, if not drawn by lot.
            facing: 1 or -1, if not drawn by lot.
            home: where the person stands, if not drawn by lot.
            reach_px: how far the figure may leave its slot.
        """
        facing = facing or (1 if self.rng.random() < 0.5 else -1)
        home = float(self.rng.uniform(0.3, 0.7)) if home is None else home
        style = style or self.style()
        self.intervals[person].append(Interval(*span, *choice, style, facing, home, reach_px))

    def act(self, person: int, span: tuple[float, float], weights: dict[Choice, float]) -> None:
        """Append an interval of whatever has been seen least so far."""
        allowed = [c for c in weights if c[0] != "lie" or self.can_lie(person)]
        self.add(person, span, self.balance.pick(weights, allowed, self.seen(span)))

    # --- episodes: all people of the scene during one span ---------------------------------------

    def play(self, episode: str, span: tuple[float, float], middle: float) -> None:
        """Plan one episode; `middle` is the second around which a fall happens if there is one."""
        if episode == "talk":
            self.talk(span)
        elif episode == "tv":
            self.watch_tv(span)
        elif episode == "fight":
            self.fight(span)
        elif episode == "floor":
            self.floor(span, middle)
        elif episode == "rise":
            self.floor(span, middle + 1, rise_only=True)
        else:
            self.solo(span, self.people)

    def solo(self, span: tuple[float, float], people: Iterable[int]) -> None:
        for person in people:
            self.act(person, span, SOLO)

    def rest_mostly(self, span: tuple[float, float], people: Iterable[int]) -> None:
        for person in people:
            self.act(person, span, AT_REST if self.rng.random() < 0.8 else SOLO)

    def talk(self, span: tuple[float, float]) -> None:
        talker = int(self.rng.integers(len(self.people)))
        self.add(talker, span, ("sit" if self.rng.random() < 0.3 else "stand", "talk"))
        self.rest_mostly(span, [person for person in self.people if person != talker])

    def watch_tv(self, span: tuple[float, float]) -> None:
        self.tv_on.append(span)
        self.rest_mostly(span, self.people)

    def fight(self, span: tuple[float, float]) -> None:
        left = int(self.rng.integers(len(self.people) - 1))
        for person, facing in ((left, 1), (left + 1, -1)):
            x1, x2 = self.layout.slots[person]
            height = self.layout.looks[person].height_px
            # Both close to the line between their slots, fists across it.
            from_line = 0.3 * height / (x2 - x1)
            home = 1 - from_line if facing == 1 else from_line
            self.add(
                person, span, ("stand", "punch"), facing=facing, home=home, reach_px=0.14 * height
            )
        self.solo(span, [person for person in self.people if person not in (left, left + 1)])

    def floor(self, span: tuple[float, float], middle: float, rise_only: bool = False) -> None:
        able = [person for person in self.people if self.can_lie(person)]
        person = able[int(self.rng.integers(len(able)))]
        (self.get_up if rise_only else self.go_down_and_up)(person, span, middle)
        self.solo(span, [other for other in self.people if other != person])

    def go_down_and_up(self, person: int, span: tuple[float, float], fall: float) -> None:
        """Stand, fall around second `fall`, lie, and get up again if the span is long enough."""
        style, facing = self.style(), 1 if self.rng.random() < 0.5 else -1
        home = float(self.rng.uniform(0.4, 0.6))
        up = fall + GETTING_UP_SECONDS
        cuts = [span[0], fall - TURN_SECONDS, fall + TURN_SECONDS]
        bodies = ["stand", "fall", "lie"]
        if up + TURN_SECONDS < span[1]:
            cuts += [up - TURN_SECONDS, up + TURN_SECONDS]
            bodies += ["get_up", "stand"]
        for body, start, end in zip(bodies, cuts, [*cuts[1:], span[1]], strict=True):
            self.add(person, (start, end), (body, "rest"), style, facing, home)

    def get_up(self, person: int, span: tuple[float, float], up: float) -> None:
        """Lie, and get up around second `up`."""
        style, facing = self.style(), 1 if self.rng.random() < 0.5 else -1
        cuts = [span[0], up - TURN_SECONDS, up + TURN_SECONDS, span[1]]
        for body, start, end in zip(("lie", "get_up", "stand"), cuts, cuts[1:], strict=False):
            self.add(person, (start, end), (body, "rest"), style, facing, 0.5)

    def feasible_episodes(self) -> list[str]:
        """Episodes that this place and number of people allow."""
        able = ["solo"]
        able += ["talk", "fight"] if len(self.people) > 1 else []
        able += ["tv"] if self.layout.scene.tv is not None else []
        return able + (
            ["floor", "rise"] if any(self.can_lie(person) for person in self.people) else []
        )
