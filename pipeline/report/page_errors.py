"""The page's section on why the best variant's mAP is what it is."""

from html import escape
from typing import Any

from pipeline.report.figures import short_name
from pipeline.report.markup import Bar, html_bars, html_table
from pipeline.report.study import Study
from pipeline.report.table import NOTHING, percent, split_name

MAX_CONFUSED = 12  # rows shown; errors.json has more
KINDS = {
    "category": "By category of action",
    "frequency": "By how frequent an action is",
    "size": "By size of the person",
    "people": "By number of people in the keyframe",
}


def errors_section(study: Study) -> str:
    """Boxes against classification, groups, confused actions; other splits folded up."""
    others = "".join(
        f"<details><summary>The same for {escape(split_name(split))}</summary>"
        f"{_split_errors(study, split)}</details>"
        for split in study.other_splits
    )
    return (
        f"<p>Where points are lost on {escape(split_name(study.split))}. Everything here is mAP "
        f"without the limit of 50 rows a keyframe, so that parts compare with the whole.</p>"
        f"{_split_errors(study, study.split)}{others}"
    )


def _split_errors(study: Study, split: str) -> str:
    best, errors = escape(study.best.name), study.best.errors[split]
    groups = "".join(_groups(errors, kind, title) for kind, title in KINDS.items())
    return (
        f"<h3>Boxes or classification?</h3>{_boxes(study, split)}"
        f"<h3>Parts of the data, {best}</h3>"
        f"<p>Each bar is the mean over the actions with ground truth in that part; in brackets the number "
        f"of these actions and of their ground truth boxes. Sizes are shares of the picture's area.</p>"
        f'<div class="groups">{groups}</div>'
        f"<h3>Most confused actions, {best}</h3>{_confused(errors, split)}"
    )


def _boxes(study: Study, split: str) -> str:
    rows = []
    for variant in study.variants:
        errors = variant.errors[split]
        measured, perfect = errors["mAP"], errors["perfect_boxes"]["mAP"]
        known = measured is not None and perfect is not None
        lost = [_points(perfect - measured), _points(1 - perfect)] if known else [NOTHING] * 2
        rows.append([variant.name, percent(measured), percent(perfect), *lost])
    heads = ["variant", "mAP", "with perfect boxes", "lost to boxes", "lost to classification"]
    found = study.best.errors[split]["perfect_boxes"]
    caption = f"mAP in percent on {split_name(split)}, measured and with perfect boxes"
    people, hit, seen = (found[name] for name in ("people", "people_hit", "people_seen"))
    return (
        f"<p>With perfect boxes every person of the ground truth takes the scores of the detected box "
        f"that overlaps it best (at IoU 0.1 or more). {_share(hit, people)} of {people:,} people "
        f"are hit by a box at IoU 0.5, {_share(seen, people)} have one at 0.1; "
        f"{found['boxes_on_nobody']:,} of {found['boxes']:,} detected boxes are on nobody.</p>"
        f"{html_table(caption, heads, rows)}"
    )


def _points(value: float) -> str:
    """Points of mAP; perfect boxes can cost a little, where two people come to share scores."""
    return f"{round(100 * value, 2) + 0.0:.2f}".replace("-", "−")


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else NOTHING


def _groups(errors: dict[str, Any], kind: str, title: str) -> str:
    bars = [
        Bar(
            str(each["group"]).replace("_", " "),
            each["mAP"],
            f"{each['num_actions']}; {each['num_ground_truth']:,}",
        )
        for each in errors["groups"]
        if each["by"] == kind
    ]
    return f'<div class="group"><h4>{escape(title)}</h4>{html_bars(bars)}</div>'


def _confused(errors: dict[str, Any], split: str) -> str:
    rows = [
        [
            short_name(each["action"]),
            short_name(each["taken_for"]),
            f"{each['people']:,}",
            f"{100 * each['share']:.1f} %",
        ]
        for each in errors["confused"][:MAX_CONFUSED]
    ]
    if not rows:
        return "<p>No action of a detected person scores below a wrong one of its category.</p>"
    return (
        "<p>Of people hit by a box: an action of theirs that scores below another of its category "
        "which they do not do, and the highest of those.</p>"
        + html_table(
            f"Missed actions on {split_name(split)} and what they are taken for",
            ["action", "taken for", "people", "share of those who do it"],
            rows,
        )
    )
