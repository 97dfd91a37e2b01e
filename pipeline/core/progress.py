"""Progress of long steps: a bar on a terminal, a log line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import TYPE_CHECKING, Never, Self, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

logger = logging.getLogger(__name__)
LINE_EVERY_SECONDS = 20.0

T = TypeVar("T")


class Progress:
    """Counts work that is done; use as a context manager.

    Args:
        total: how much there is to do, or None when that is unknown.
        what: the step, as shown: "train focal".
        unit: what is counted: "clip", "step", or "B" for bytes (shown as kB, MB, ...).
    """

    def __init__(self, total: float | None, what: str, unit: str) -> None:
        self.done = 0.0
        self._total, self._what, self._unit = total, what, unit
        self._started = self._said = time.monotonic()
        self._note = ""
        self._bar = _bar(total, what, unit) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif kind is None:
            self._say()

    def expect(self, total: float) -> None:
        """Correct how much there is to do."""
        self._total = total
        if self._bar is not None:
            self._bar.total = total

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count `amount` more as done; `note` is shown behind the bar or in the next line."""
        self.done += amount
        self._note = note
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(amount)
        elif time.monotonic() - self._said > LINE_EVERY_SECONDS:
            self._say()

    def _say(self) -> None:
        self._said = time.monotonic()
        seconds = max(self._said - self._started, 1e-9)
        rate = self.done / seconds
        share, left = "", ""
        if self._total:
            share = f" of {_amount(self._total, self._unit)}"
            if 0 < self.done < self._total:
                left = f", {(self._total - self.done) / rate:.0f} s left"
        logger.info(
            "%s: %s%s, %s/s%s %s",
            self._what,
            _amount(self.done, self._unit),
            share,
            _amount(rate, self._unit),
            left,
            self._note,
        )


def track(things: Iterable[T], what: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield `things` one by one while showing how far it is.

    Args:
        things: to go through.
        what: is being done, such as "cut".
        unit: of one thing, such as "clip".
        total: how many there are, where `things` does not know.
    """
    if total is None and isinstance(things, Sized):
        total = len(things)
    with Progress(total, what, unit) as progress:
        for thing in things:
            yield thing
            progress.advance()


def _bar(total: float | None, what: str, unit: str) -> "tqdm[Never]":
    from tqdm import tqdm  # here: jobs have no terminal, and a light one starts without it

    return tqdm(total=total, desc=what, unit=unit, unit_scale=unit == "B", dynamic_ncols=True)


def _amount(value: float, unit: str) -> str:
    if unit != "B":
        return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.3g} {unit}"
    for prefix in ("", "k", "M", "G"):
        if value < 1000:
            return f"{value:.3g} {prefix}B"
        value /= 1000
    return f"{value:.3g} TB"
