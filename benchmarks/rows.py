"""The form that all benchmarks share: a row of one table, and how its ratio comes about.

Every contender of a row runs in turn, in the same process or as processes of the same kind, several
times over; the ratio is that of the quickest turns. What disturbs a machine only adds time, and
seldom alike on both sides: the quickest turn says most about the work (Chen and Revels, Robust
benchmarking in noisy environments, 2016).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

show = sys.stdout.write


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: what is done.
        against: what it is compared with, measured in the same run.
        unit: of `ours` and `theirs`.
        ours, theirs, ratio: of the quickest turns; None where the row could not be measured, and
            `note` says why.
        spread: lowest and highest ratio within a turn.
        goal: as text; empty where there is none.
        met: whether the goal is.
    """

    work: str
    against: str = ""
    unit: str = ""
    ours: float | None = None
    theirs: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""


def in_turn(contenders: Mapping[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """Call each contender once a turn, after one call that does not count; what each returned."""
    for contender in contenders.values():
        contender()
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, contender in contenders.items():
            measured[name].append(contender())
    return measured


def compared(
    work: str,
    against: str,
    unit: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    at_most: float | None = None,
    at_least: float | None = None,
    note: str = "",
) -> Row:
    """Return the row of two contenders of `in_turn`.

    Args:
        unit: of a cost, or of a rate ("clips/s"), which is highest in the quickest turn.
        at_most, at_least: goal of the ratio ours / theirs; neither or one of them.
    """
    best = max if "/" in unit else min
    ratios = [one / two for one, two in zip(ours, theirs, strict=True)]
    mine, other = best(ours), best(theirs)
    ratio = mine / other
    goal, met = "", None
    if at_most is not None:
        goal, met = f"<= {at_most:g}", ratio <= at_most
    elif at_least is not None:
        goal, met = f">= {at_least:g}", ratio >= at_least
    spread = min(ratios), max(ratios)
    return Row(work, against, unit, mine, other, ratio, spread, goal, met, note)


def cpu_seconds(call: Callable[[], object]) -> Callable[[], float]:
    """Return the call as a contender: its CPU seconds, of all threads of this process."""

    def timed() -> float:
        start = time.process_time()
        call()
        return time.process_time() - start

    return timed


def quickest(contender: Callable[[], float], calls: int) -> Callable[[], float]:
    """The least of so many calls in a row: for one so short that others take as long meanwhile."""
    return lambda: min(contender() for _ in range(calls))


def process_cpu_seconds(command: Sequence[str]) -> float:
    """CPU seconds (user and system) of one process; RuntimeError when it fails."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def report(rows: Callable[[], Iterable[Row]]) -> None:
    """What a benchmark does as a command: print its rows, as JSON lines when asked by `--json`."""
    if "--json" not in sys.argv[1:]:
        show(table(list(rows())))
        return
    for row in rows():
        show(json.dumps(asdict(row)) + "\n")
        sys.stdout.flush()


def table(rows: Sequence[Row]) -> str:
    """Return the rows as aligned text."""
    cells = [("work", "ours", "measured against", "", "unit", "ratio", "from-to", "goal", "note")]
    for row in rows:
        cells.append(
            (
                row.work,
                number(row.ours),
                row.against,
                number(row.theirs),
                row.unit,
                number(row.ratio),
                "" if row.spread is None else "-".join(map(number, row.spread)),
                goal(row),
                row.note,
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    return "\n".join(lines) + "\n"


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows' ratios as a table for the docs; times of one machine say nothing there."""
    lines = ["| work | measured against | ratio | goal | |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        cells = (row.work, row.against, number(row.ratio), goal(row), row.note)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    """Three digits, or nothing."""
    return "" if value is None else f"{value:.3g}"


def goal(row: Row) -> str:
    """Return the goal, and whether it is met."""
    return row.goal if row.met is None else f"{row.goal}: {'met' if row.met else 'missed'}"
