"""The page's section on what could be had and what it does to the score."""

from html import escape

import pandas as pd

from pipeline.report.markup import html_table
from pipeline.report.study import Study
from pipeline.report.table import coverage_table, percent, split_name

MAX_LOSSES = 200  # rows of the coverage table; coverage.csv has them all
STATUSES = ("ok", "short", "missing")


def coverage_section(study: Study) -> str:
    """mAP on what could be had beside mAP against all truth; clips by part; what is lost."""
    table = study.coverage
    lost = table[table["status"] != "ok"]
    both = coverage_table(study)
    caption = "mAP in percent: on what could be had, and against all truth"
    sides = html_table(caption, both[0], both[1:]) if both else ""
    counts = [
        _part(str(part), str(split), clips)
        for (part, split), clips in table.groupby(["part", "split"], sort=False)
    ]
    heads = ["part", "split", "clips", "whole", "short", "missing", "keyframes wanted"]
    return (
        f"{_against_all_truth(study)}{sides}"
        f"{html_table('Clips and keyframes by part of the dataset', heads, counts)}"
        f"<details><summary>{len(lost)} clips are missing or short, and why</summary>"
        f"{_losses(lost)}</details>"
    )


def _against_all_truth(study: Study) -> str:
    best, found = study.best, study.best.coverage(study.split)
    had, wanted = found["num_keyframes"], found["num_keyframes_all_truth"]
    name = escape(split_name(study.split))
    if not study.missing_from(study.split):
        return (
            f"<p>All {wanted:,} keyframes of {name} could be had: the score leaves nothing out.</p>"
        )
    return (
        f"<p>{had:,} of {wanted:,} keyframes of {name} could be had. The measured mAP counts "
        f"these; against all truth, with every missing keyframe as missed, {escape(best.name)} "
        f"scores {percent(found['mAP_all_truth'])} instead of {percent(found['mAP'])}.</p>"
    )


def _part(part: str, split: str, clips: pd.DataFrame) -> list[str]:
    counts = [int((clips["status"] == status).sum()) for status in STATUSES]
    numbers = [len(clips), *counts, int(clips["keyframes"].sum())]
    return [part, split, *(f"{number:,}" for number in numbers)]


def _losses(lost: pd.DataFrame) -> str:
    shown = lost[:MAX_LOSSES][["clip", "part", "status", "reason"]]
    rows = [[str(text) for text in row] for row in shown.itertuples(index=False)]
    more = len(lost) - len(shown)
    note = f"<p>{more:,} more stand in coverage.csv.</p>" if more else ""
    return html_table("Missing and short clips", list(shown.columns), rows) + note
