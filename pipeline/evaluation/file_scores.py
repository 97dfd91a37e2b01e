"""Scores of files in AVA's format, and how a score is told to people and to programs."""

import math
from pathlib import Path

import pandas as pd

from pipeline.annotations.ava_csv import read_detections, read_exclusions, read_ground_truth
from pipeline.annotations.class_list import read_class_list
from pipeline.annotations.detections_parquet import read_detections_parquet
from pipeline.evaluation.metrics import CATEGORIES, Scores, score_detections
from pipeline.evaluation.protocols import protocol
from pipeline.evaluation.uncertainty import (
    draw_videos,
    interval,
    resampled_mean_ap,
    why_no_interval,
)


def score_files(
    ground_truth: Path,
    detections: Path,
    labels: Path,
    exclusions: Path | None = None,
    protocol_name: str = "official",
    split: str | None = None,
) -> Scores:
    """Read the files as the protocol takes them, and score.

    Args:
        detections: csv, csv.gz or parquet.
        split: which rows of a parquet file with a column `split`.

    Raises:
        ValueError: what the files hold is not what the protocol takes; with file and row number.
    """
    classes = read_class_list(labels)
    strict = protocol(protocol_name).whole_seconds_with_people_only
    excluded = read_exclusions(exclusions, strict)
    people = read_ground_truth(ground_truth, strict)
    found = _read_found(detections, split, strict)
    scores = score_detections(found, people, excluded, classes, protocol_name)
    scores.counts["rows_without_box"] = found.attrs.get("rows_without_box", 0)
    return scores


def report_of(scores: Scores, protocol_name: str, num_resamples: int) -> dict[str, object]:
    """Return what `--out` holds: JSON values only, null for what has no ground truth."""
    per_category = scores.per_category()
    report: dict[str, object] = {
        "protocol": protocol_name,
        "mAP": _number(scores.mAP),
        "per_class": {str(action): _number(ap) for action, ap in scores.per_class.items()},
        "per_category": {name: per_category.get(name) for name in CATEGORIES},
        "counts": scores.counts,
    }
    if num_resamples:
        draws = draw_videos(len(scores.matches.video_ids), num_resamples)
        resampled = resampled_mean_ap(scores.matches, draws)
        found = interval(resampled, scores.mAP, draws.shape[1])
        report["interval"] = None if found is None else [found.low, found.high]
        report["bootstrap"] = {"resamples": num_resamples, "videos": draws.shape[1]}
    return report


def summary_of(scores: Scores, report: dict[str, object]) -> str:
    """Return the report in a few lines for people."""
    known = sum(not math.isnan(ap) for ap in scores.per_class.values())
    counts = dict(scores.counts)
    rows, used = counts.pop("rows"), counts.pop("rows_used")
    left_out = [
        f"{number:,} {reason.removeprefix('rows_').replace('_', ' ')}"
        for reason, number in counts.items()
        if reason.startswith("rows_") and number
    ]
    lines = [
        f"mAP        {_percent(scores.mAP)} ({report['protocol']}, IoU 0.5, {known} of "
        f"{len(scores.per_class)} classes have an AP)",
    ]
    if "interval" in report:
        lines.append(f"interval   {_interval_text(report)}")
    lines += [
        f"category   {_percent(value)} {name.replace('_', ' ')}"
        for name, value in scores.per_category().items()
    ]
    lines += [
        f"truth      {counts['ground_truth_boxes']:,} boxes in {counts['keyframes']:,} keyframes",
        f"detections {used:,} of {rows:,} rows used; left out: {', '.join(left_out) or 'none'}",
    ]
    return "\n".join(lines) + "\n"


def _read_found(path: Path, split: str | None, strict: bool) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return read_detections_parquet(path, split)
    if split is not None:
        raise ValueError(f"{path}: found --split {split}, expected it for parquet only")
    return read_detections(path, strict)


def _interval_text(report: dict[str, object]) -> str:
    ends, drawn = report["interval"], report["bootstrap"]
    assert isinstance(drawn, dict)
    how = f"{drawn['resamples']} resamples of {drawn['videos']} videos"
    if not isinstance(ends, list):
        reason = why_no_interval(int(drawn["videos"]), int(drawn["resamples"]))
        return f"none: {reason or f'{how} have no mAP'}"
    return f"{_percent(ends[0])} to {_percent(ends[1])}, 95 % by {how}"


def _percent(value: float) -> str:
    return "  none" if math.isnan(value) else f"{100 * value:6.2f}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
