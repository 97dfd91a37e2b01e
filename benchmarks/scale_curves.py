"""Cost against size, at a tenth, a third and all of the full size: a figure and a table.

    python -m benchmarks.scale_curves [--folder FOLDER] [--only clips videos ...]

Takes half an hour beside other work, and some GB. What it has measured it keeps in docs/scale.json,
from which docs/scale.png and the table in docs/scale.md are drawn; `--only` measures some of it
anew, `--only` without a name draws.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.rows import ROOT, number
from benchmarks.scale_costs import GROWTHS, Curve
from pipeline.report.figures import HUES, INK, STYLE

DOCS = ROOT / "docs"
BEGIN, END = "<!-- table of python -m benchmarks.scale_curves -->\n", "<!-- end of it -->\n"
TITLES = {
    "clips": "clips",
    "videos": "videos to score",
    "boxes": "boxes of a keyframe",
    "classes": "classes",
    "variants": "variants",
    "shards": "shards",
    "workers": "data-loading workers",
}


def exponent(curve: Curve) -> float:
    """Power of the size by which the cost grows from a third of the full size to all of it.

    1 is a straight line through zero, 2 a square; what a start costs makes it less.
    """
    (_, some, full), (_, less, most) = curve.sizes, curve.costs
    return math.log(most / less) / math.log(full / some)


def draw(curves: Sequence[Curve]) -> Figure:
    """Return a panel for each thing that grows; both axes relative to the smallest size."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 6), layout="constrained")
        panels = figure.subplots(2, 4).flat
        for axes, (grows, title) in zip(panels, TITLES.items(), strict=False):
            if shown := [curve for curve in curves if curve.grows == grows]:
                _panel(axes, title, shown)
        last = panels[len(TITLES)]
        last.axis("off")
        words = "dashed: a straight line from the\nsmallest size, through zero\n\n"
        words += "solid: CPU time\ndotted: memory\n\nAt or below the dashed line,\n"
        words += "more costs no more than its share.\n"
        last.text(0, 0.9, words, va="top", transform=last.transAxes, fontsize=9, color=INK)
    return figure


def _panel(axes: Axes, title: str, curves: Sequence[Curve]) -> None:
    most = max(curve.sizes[-1] / curve.sizes[0] for curve in curves)
    highest = max([most, *(curve.costs[-1] / curve.costs[0] for curve in curves)])
    axes.plot([1, most], [1, most], "--", color=INK, alpha=0.6, linewidth=1)
    for hue, curve in zip(HUES, curves, strict=False):
        sizes = [size / curve.sizes[0] for size in curve.sizes]
        costs = [cost / curve.costs[0] for cost in curve.costs]
        line, label = "-" if curve.unit == "CPU s" else ":", curve.step
        if curve.unit != "CPU s":
            label = f"{label}, memory"
        axes.plot(sizes, costs, line, color=hue, marker="o", markersize=4, label=label)
    smallest, largest = curves[0].sizes[0], curves[0].sizes[-1]
    axes.set(xlim=(0, most * 1.08), ylim=(0, highest * (1.1 + 0.12 * len(curves))), title=title)
    axes.set(xlabel=f"size / smallest ({smallest:,g} to {largest:,g})", ylabel="cost / smallest's")
    axes.grid()
    axes.legend(loc="upper left", handlelength=1.6, borderaxespad=0.2)


def table(curves: Sequence[Curve]) -> str:
    """Return what the figure shows, in ratios."""
    head = ("grows", "from - to", "step", "of", "cost at 10 x the size", "exponent")
    lines = [head, ("---",) * len(head)]
    for curve in curves:
        ends = f"{curve.sizes[0]:,g} - {curve.sizes[-1]:,g}"
        ratio = curve.costs[-1] / curve.costs[0]
        what = "CPU time" if curve.unit == "CPU s" else "memory"
        cells = (number(ratio), f"{exponent(curve):.2f}")
        lines.append((TITLES[curve.grows], ends, curve.step, what, *cells))
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def measure(names: Sequence[str], folder: Path, known: Sequence[Curve]) -> list[Curve]:
    """The known curves with those of `names` measured anew; each is kept as soon as it is there."""
    curves = list(known)
    for name in names:
        started = time.monotonic()
        curves = [curve for curve in curves if curve.grows != name]
        curves += list(GROWTHS[name](folder))
        curves.sort(key=lambda curve: list(GROWTHS).index(curve.grows))
        _keep(curves)
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")
    return curves


def _keep(curves: Sequence[Curve]) -> None:
    rows = ",\n".join(json.dumps(asdict(curve)) for curve in curves)
    (DOCS / "scale.json").write_text(f"[\n{rows}\n]\n")


def _known() -> list[Curve]:
    path = DOCS / "scale.json"
    return [Curve(**row) for row in json.loads(path.read_text())] if path.exists() else []


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--folder", type=Path, help="an empty folder for the made files")
    flags.add_argument("--only", nargs="*", choices=GROWTHS, default=list(GROWTHS))
    args = flags.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        curves = measure(args.only, Path(temporary), _known())
    figure = draw(curves)
    figure.savefig(DOCS / "scale.png", dpi=90, facecolor="white", metadata={"Software": None})
    sys.stdout.write(table(curves))
    page = DOCS / "scale.md"
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(before + BEGIN + table(curves) + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
