"""The report's charts, drawn once and saved twice: as SVG for the page and as PNG for MLflow.

In the SVG the ink colour becomes `currentColor`, so a chart follows the page's light or dark theme.
Equal numbers give equal bytes: no dates, and ids hashed with a fixed salt.
"""

import io
import re
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.evaluation.mean_ap import precision_recall
from pipeline.report.study import Study
from pipeline.report.table import split_name, step_cell

INK = "#1f2937"
ACCENT = "#3b82f6"
# Ten hues that keep apart on white and on near-black.
HUES = (
    *("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6"),
    *("#06b6d4", "#ec4899", "#84cc16", "#f97316", "#64748b"),
)
TRAIN = "train"  # the split whose rows of history.csv have a loss
NUM_CURVES = 8  # precision-recall curves, of the most frequent actions
STYLE: Any = {  # matplotlib's own type lists every key there is
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class may be called "$5"
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


@dataclass(frozen=True)
class Chart:
    """One figure: a file name, a title, and in words what it shows."""

    name: str
    title: str
    description: str  # the text alternative
    svg: str
    png: bytes


def make_charts(study: Study) -> list[Chart]:
    """Return every chart the study has numbers for."""
    with matplotlib.rc_context(STYLE):
        charts = [
            ablation_chart(study),
            steps_chart(study),
            errors_chart(study),
            precision_recall_chart(study),
            curves_chart(study, "loss"),
            *(curves_chart(study, "mAP", split) for split in study.splits),
        ]
        return [chart for chart in charts if chart is not None]


def ablation_chart(study: Study) -> Chart:
    """Return mAP of every variant with its interval."""
    figure, axes = _canvas(height=0.7 + 0.3 * len(study.variants))
    for row, variant in enumerate(study.variants):
        measured = variant.measured(study.split)
        value = np.nan if measured["mAP"] is None else 100 * measured["mAP"]
        hue = ACCENT if variant is study.best else HUES[-1]
        axes.barh(row, value, height=0.6, color=hue, alpha=0.85)
        if measured["interval"]:
            low, high = (100 * end for end in measured["interval"])
            axes.plot([low, high], [row, row], color=INK, linewidth=1.4)
            axes.plot([low, high], [row, row], "|", color=INK, markersize=7)
    axes.set_yticks(range(len(study.variants)), [variant.name for variant in study.variants])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"mAP on {split_name(study.split)}, % (line: 95 % interval)")
    axes.grid(axis="x")
    texts = ", ".join(f"{v.name} {100 * (v.mAP or 0):.1f}" for v in study.variants)
    return _chart(figure, "ablation", "mAP of each variant", f"Measured mAP in percent: {texts}.")


def steps_chart(study: Study) -> Chart | None:
    """Difference of each row to the one above it, with its interval; None for a single row."""
    steps = [(variant.name, variant.step) for variant in study.variants if variant.step is not None]
    if not steps:
        return None
    figure, axes = _canvas(height=0.7 + 0.3 * len(steps))
    axes.axvline(0, color=INK, linewidth=1)
    for row, (_, step) in enumerate(steps):
        # A step whose interval holds zero may be luck: it stays grey.
        sure = step.interval is not None and step.interval.low * step.interval.high > 0
        hue = ACCENT if sure else HUES[-1]
        if step.interval is not None:
            ends = [100 * step.interval.low, 100 * step.interval.high]
            axes.plot(ends, [row, row], color=hue, linewidth=2)
        axes.plot(100 * step.difference, row, "o", color=hue, markersize=6)
    axes.set_yticks(range(len(steps)), [name for name, _ in steps])
    axes.invert_yaxis()
    axes.set_xlabel("points of mAP (line: 95 % interval)")
    axes.grid(axis="x")
    texts = "; ".join(f"{name} {step_cell(step)}" for name, step in steps)
    title = "Steps to the variant above; blue: the interval leaves zero out"
    return _chart(figure, "steps", title, f"Points of mAP to the variant above: {texts}.")


def errors_chart(study: Study) -> Chart | None:
    """What each variant loses to its boxes and to its classification; None without ground truth."""
    parts = []
    for variant in study.variants:
        errors = variant.errors[study.split]
        measured, perfect = errors["mAP"], errors["perfect_boxes"]["mAP"]
        if measured is not None and perfect is not None:
            parts.append((variant.name, 100 * measured, 100 * perfect))
    if not parts:
        return None
    names, measured, perfect = (np.array(column) for column in zip(*parts, strict=True))
    figure, axes = _canvas(height=1.0 + 0.3 * len(parts))
    rows = np.arange(len(parts))
    best = np.maximum(measured, perfect)
    for left, width, hue, label in (
        (0, measured, ACCENT, "mAP"),
        (measured, best - measured, HUES[1], "lost to boxes"),
        (best, 100 - best, HUES[-1], "lost to classification"),
    ):
        axes.barh(rows, width, left=left, height=0.6, color=hue, alpha=0.85, label=label)
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"mAP on {split_name(study.split)}, %, without the limit of rows")
    _legend_below(figure, axes)
    texts = "; ".join(f"{name} {now:.1f}, then {then:.1f}" for name, now, then in parts)
    described = f"mAP in percent as measured, then with perfect boxes: {texts}."
    return _chart(figure, "errors", "Lost to boxes, lost to classification", described)


def curves_chart(study: Study, quantity: str, split: str = TRAIN) -> Chart | None:
    """Loss or mAP of a split by epoch, a line per variant; None when no epoch has a value."""
    rows = study.history.dropna(subset=[quantity])
    rows = rows[rows["split"] == split]
    if rows.empty:
        return None
    figure, axes = _canvas(height=3.6)
    for number, variant in enumerate(study.variants):
        line = rows[rows["variant"] == variant.name]
        values = line[quantity] * (100 if quantity == "mAP" else 1)
        hue, style = HUES[number % len(HUES)], "-" if number < len(HUES) else "--"
        axes.plot(
            line["epoch"], values, style, color=hue, marker="o", markersize=3, label=variant.name
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss" if quantity == "loss" else "mAP, %")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid()
    _legend_below(figure, axes)
    title = "Training loss" if quantity == "loss" else f"mAP on {split_name(split)}"
    last = _last_values(rows, quantity)
    described = f"{title} by epoch. In the last epoch: {last}."
    name = f"training_{quantity.lower()}" + ("" if split in (TRAIN, study.split) else f"_{split}")
    return _chart(figure, name, f"{title} by epoch", described)


def precision_recall_chart(study: Study) -> Chart | None:
    """Precision and recall of the best variant's most frequent actions."""
    found = study.best_matches
    totals = found.num_ground_truth.sum(axis=1)
    frequent = [index for index in np.argsort(-totals, kind="stable") if totals[index] > 0]
    if not frequent:
        return None
    figure, axes = _canvas(height=3.6)
    ranges, names = found.ranges(), []
    for hue, index in zip(HUES, frequent[:NUM_CURVES], strict=False):
        recall, precision = precision_recall(found.hit[ranges[index]], int(totals[index]))
        names.append(short_name(study.classes[int(found.action_ids[index])]))
        axes.step(
            100 * np.insert(recall, 0, 0.0),
            100 * np.insert(precision, 0, precision[:1] if len(precision) else 0.0),
            where="pre",
            color=hue,
            label=names[-1],
        )
    axes.set(xlim=(0, 101), ylim=(0, 103), xlabel="recall, %", ylabel="precision, %")
    axes.grid()
    _legend_below(figure, axes)
    described = f"Interpolated precision against recall of {', '.join(names)}."
    title = f"Precision and recall of {study.best.name}, most frequent actions"
    return _chart(figure, "precision_recall", title, described)


def short_name(action: str) -> str:
    """Return an action's name without its explanations in brackets."""
    return re.sub(r"\s*\(.*?\)", "", action).strip()


def _last_values(rows: pd.DataFrame, quantity: str) -> str:
    last = rows.groupby("variant", sort=False).tail(1)
    shown = last[quantity] * (100 if quantity == "mAP" else 1)
    pairs = zip(last["variant"], shown, strict=True)
    return ", ".join(f"{variant} {value:.3g}" for variant, value in pairs)


def _canvas(height: float) -> tuple[Figure, Axes]:
    # 4.6 inches wide: its text is still readable when a phone shrinks it to 350 px.
    figure = Figure(figsize=(4.6, height), layout="constrained")
    return figure, figure.add_subplot()


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)


def _chart(figure: Figure, name: str, title: str, description: str) -> Chart:
    with matplotlib.rc_context({"svg.hashsalt": name}):
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    svg = _inline(text.getvalue(), title, description)
    return Chart(name, title, description, svg, image.getvalue())


def _inline(svg: str, title: str, description: str) -> str:
    """Return an SVG document as an element of a page."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    # matplotlib numbers its groups anew in every figure; nothing refers to them.
    element = re.sub(r'<g id="[^"]*"', "<g", element)
    element = element.replace(INK, "currentColor").replace("'DejaVu Sans', sans-serif", "inherit")
    label = f"{title}. {description}".replace("&", "&amp;").replace("<", "&lt;")
    label = label.replace('"', "&quot;")
    named = f' role="img" aria-label="{label}"'
    return re.sub(r' width="[^"]*" height="[^"]*"', lambda _: named, element, count=1)
