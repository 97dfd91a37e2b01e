"""The MLflow run of one variant: its epochs while it trains, its scores when it is evaluated."""

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.core.tracking import TrackedRun, tracked_run, version_of

RUN_KEY = "tracked_run"  # in a model's meta: the fingerprint of its training


def variant_run(dataset: str, variant: str, fingerprint: str) -> TrackedRun:
    """Return the run that a variant's training and evaluation share."""
    return tracked_run(dataset, variant, fingerprint, {"variant": variant, "stage": "train"})


def log_evaluation(
    run: TrackedRun, metrics: Mapping[str, Any], results: Path, data: list[Path], step: int
) -> None:
    """Log scores with their intervals, tables of classes and errors, a chart, the model.

    Args:
        run: of the variant.
        metrics: content of metrics.json.
        results: folder of the variant.
        data: index files, whose hash is the version of the data.
        step: the last epoch.
    """
    run.metrics(_flat(metrics), step)
    if metrics["mAP"] is not None:
        run.metrics({"mAP": float(metrics["mAP"])}, step)
    classes = pd.read_csv(results / "per_class_ap.csv")
    run.table({name: values.tolist() for name, values in classes.items()}, "per_class_ap.json")
    run.figure(_chart(classes), "figures/per_class_ap.png")
    errors = json.loads((results / "errors.json").read_text(encoding="utf-8"))
    run.metrics(_perfect_boxes(errors), step)
    for table, name in (("groups", "error_groups.json"), ("confused", "confused_actions.json")):
        if columns := _columns(errors, table):
            run.table(columns, name)
    for name in ("per_class_ap.csv", "errors.json", "metrics.json", "history.csv"):
        run.artifact(results / name)
    run.artifact(results / "model.pt", "model")
    run.tags({"data_version": version_of(sorted(data))[:16]})
    run.finish()


def _flat(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return `val_ava/official` and its interval `..._low`, `..._high` from nested protocols."""
    flat: dict[str, float] = {}
    for split, protocols in metrics["protocols"].items():
        for protocol, scores in protocols.items():
            if scores["mAP"] is None:
                continue
            name = f"{split}/{protocol}"
            flat[name] = float(scores["mAP"])
            if interval := scores.get("interval"):
                flat |= {f"{name}_low": float(interval[0]), f"{name}_high": float(interval[1])}
    return flat


def _perfect_boxes(errors: Mapping[str, Any]) -> dict[str, float]:
    """Return `val_ava/perfect_boxes`: the mAP that ground truth boxes would give."""
    values = {split: each["perfect_boxes"]["mAP"] for split, each in errors.items()}
    return {f"{split}/perfect_boxes": value for split, value in values.items() if value is not None}


def _columns(errors: Mapping[str, Any], table: str) -> dict[str, list[Any]]:
    """Return a table of the error analysis as columns, the split first."""
    rows = [{"split": split, **row} for split, each in errors.items() for row in each[table]]
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def _chart(classes: pd.DataFrame) -> bytes:
    """Return a PNG with a bar for each class, of the first split and protocol."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    first = classes.iloc[0]
    bars = classes[
        (classes["split"] == first["split"]) & (classes["protocol"] == first["protocol"])
    ].dropna(subset="AP")
    bars = bars.sort_values("AP")
    image = io.BytesIO()
    with rc_context({"text.parse_math": False}):  # a class may be called "$5"
        figure = Figure(figsize=(7, 1 + 0.25 * len(bars)), layout="constrained")
        axes = figure.subplots()
        axes.barh([re.sub(r" \(.*", "", name) for name in bars["action"]], bars["AP"])
        axes.set_xlim(0, 1)
        axes.set_xlabel(f"average precision, {first['split']}, {first['protocol']}")
        figure.savefig(image, format="png", dpi=110)
    return image.getvalue()
