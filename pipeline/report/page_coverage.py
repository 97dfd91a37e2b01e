"""The page's section on what could be had and what it does to the score."""

from html import escape

import pandas as pd

from pipeline.report.markup import html_table
from pipeline.report.study import Study
from pipeline.report.table import coverage_table, percent, split_name

MAX_LOSSES = 200  # rows of the coverage table; coverage.csv has them all
STATUSES = ("ok", "short", "missing")


def coverage_section(study: Study) -> str:
    """mAP on what could be had beside mAP against all ground truth; clips by part; what is lost."""
    table = study.coverage
    lost = table[table["status"] != "ok"]
    both = coverage_table(study)
    caption = "mAP in percent: on what could be had, and against all ground truth"
    sides = html_table(caption, both[0], both[1:]) if both else ""
    counts = [
        _part(str(subset), str(split), clips)
        for (subset, split), clips in table.groupby(["subset", "split"], sort=False)
    ]
    heads = ["subset", "split", "clips", "whole", "short", "missing", "keyframes wanted"]
    return (
        f"{_against_all_ground_truth(study)}{sides}"
        f"{html_table('Clips and keyframes by subset of the dataset', heads, counts)}"
        f"<details><summary>{len(lost)} clips are missing or short, and why</summary>"
        f"{_losses(lost)}</details>"
    )


def _against_all_ground_truth(study: Study) -> str:
    best, found = study.best, study.best.coverage(study.split)
    had, wanted = found["num_keyframes"], found["num_keyframes_all_ground_truth"]
    name = escape(split_name(study.split))
    if not study.missing_from(study.split):
        return (
            f"<p>All {wanted:,} keyframes of {name} could be had: the score leaves nothing out.</p>"
        )
    return (
        f"<p>{had:,} of {wanted:,} keyframes of {name} could be had. The measured mAP counts "
        f"these; against all ground truth, with every missing keyframe as missed, {escape(best.name)} "
        f"scores {percent(found['mAP_all_ground_truth'])} instead of {percent(found['mAP'])}.</p>"
    )


def _part(subset: str, split: str, clips: pd.DataFrame) -> list[str]:
    counts = [int((clips["status"] == status).sum()) for status in STATUSES]
    numbers = [len(clips), *counts, int(clips["keyframes"].sum())]
    return [subset, split, *(f"{number:,}" for number in numbers)]


def _losses(lost: pd.DataFrame) -> str:
    shown = lost[:MAX_LOSSES][["clip", "subset", "status", "reason"]]
    rows = [[str(text) for text in row] for row in shown.itertuples(index=False)]
    more = len(lost) - len(shown)
    note = f"<p>{more:,} more stand in coverage.csv.</p>" if more else ""
    return html_table("Missing and short clips", list(shown.columns), rows) + note
