"""Render the report as one HTML file: no network, light and dark, for a phone and for a keyboard.

What stands where is in `templates/page.html`; here are the values that the template shows. Jinja2
escapes every text that comes from data.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from pipeline.evaluation.metrics import MAIN_PROTOCOL
from pipeline.report.drawing import draw_keyframe
from pipeline.report.figures import Chart, short_name
from pipeline.report.gallery import Keyframe
from pipeline.report.study import Study
from pipeline.report.table import (
    NOTHING,
    columns,
    coverage_table,
    footnote,
    percent,
    split_name,
)

TEMPLATES = Path(__file__).parent / "templates"
MAX_ACTIONS = 20  # shown before the rarer ones are folded up
MAX_CONFUSED = 12  # rows shown; errors.json has more
MAX_LOST = 200  # rows of the coverage table; coverage.csv has them all
STATUSES = ("ok", "short", "missing")
GROUPS = {
    "category": "By category of action",
    "frequency": "By how frequent an action is",
    "size": "By size of the person",
    "people": "By number of people in the keyframe",
}


@dataclass(frozen=True)
class Bar:
    """A named share of 0 to 1, or None; `mark` is another one to compare it with."""

    name: str
    value: float | None
    note: str
    mark: float | None = None


def make_page(study: Study, charts: Sequence[Chart], gallery: Sequence[Keyframe]) -> str:
    """Return the whole page; equal input gives equal text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    shown = columns(study)
    return environment.get_template("page.html").render(
        title=f"AVA-Kinetics SlowOnly study: {study.dataset}",
        css=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        js=(TEMPLATES / "page.js").read_text(encoding="utf-8"),
        about=_about(study),
        facts=_facts(study),
        footnote=footnote(study).replace("`", ""),
        columns=shown,
        rows=[(each.name, [column.cell(each) for column in shown]) for each in study.variants],
        best=study.best.name,
        first=study.variants[0].name,
        split_name=split_name(study.split),
        charts=charts,
        actions=_actions(study),
        most_actions=MAX_ACTIONS,
        errors=[_errors(study, split) for split in study.splits],
        coverage=_coverage(study),
        gallery=[_figure(keyframe) for keyframe in gallery],
    )


def _about(study: Study) -> str:
    if len(study.variants) == 9:
        return (
            "Nine ways to train a person-action detector, each trained and evaluated by the same "
            "pipeline from the same clips."
        )
    return "Every variant was trained and evaluated from the same clips."


def _facts(study: Study) -> list[tuple[str, str]]:
    best, measured = study.best, study.best.measured(study.split)
    available = study.coverage[study.coverage["status"] != "missing"]
    return [
        ("clips", f"{available['clip'].nunique():,} of {study.coverage['clip'].nunique():,}"),
        (f"keyframes scored ({split_name(study.split)})", f"{measured['counts']['keyframes']:,}"),
        ("ground truth labels there", f"{measured['counts']['ground_truth_boxes']:,}"),
        ("actions with ground truth", f"{measured['num_actions']} of {len(study.classes)}"),
        ("variants", str(len(study.variants))),
        (f"best: {best.name}", f"{percent(best.mAP)} mAP"),
    ]


def _actions(study: Study) -> list[Bar]:
    rows = study.per_class
    rows = rows[(rows["split"] == study.split) & (rows["protocol"] == MAIN_PROTOCOL)]
    rows = rows[rows["num_ground_truth"] > 0]
    marks = rows[rows["variant"] == study.variants[0].name].set_index("action_id")["AP"]
    rows = rows[rows["variant"] == study.best.name]
    rows = rows.assign(mark=rows["action_id"].map(marks))
    rows = rows.sort_values(["num_ground_truth", "action_id"], ascending=[False, True])
    return [
        Bar(action, ap, f"{100 * mark:.1f}; {num_ground_truth:,}", mark)
        for action, ap, num_ground_truth, mark in rows[
            ["action", "AP", "num_ground_truth", "mark"]
        ].itertuples(index=False)
    ]


def _errors(study: Study, split: str) -> dict[str, Any]:
    """Return boxes against classification, groups and confused actions of a split."""
    best = study.best.errors[split]
    perfect = best["perfect_boxes"]
    return {
        "name": split_name(split),
        "hit": _share(perfect["people_hit"], perfect["people"]),
        "seen": _share(perfect["people_seen"], perfect["people"]),
        "num_people": f"{perfect['people']:,}",
        "unmatched": f"{perfect['boxes_unmatched']:,}",
        "num_boxes": f"{perfect['boxes']:,}",
        "boxes": [
            [variant.name, *_lost_points(variant.errors[split])] for variant in study.variants
        ],
        "groups": [
            {"title": title, "bars": _group_bars(best["groups"], kind)}
            for kind, title in GROUPS.items()
        ],
        "confused": [
            [
                *(short_name(each["action"]), short_name(each["taken_for"])),
                *(f"{each['people']:,}", f"{100 * each['share']:.1f} %"),
            ]
            for each in best["confused"][:MAX_CONFUSED]
        ],
    }


def _lost_points(errors: Mapping[str, Any]) -> list[str]:
    measured, perfect = errors["mAP"], errors["perfect_boxes"]["mAP"]
    known = measured is not None and perfect is not None
    lost = [_points(perfect - measured), _points(1 - perfect)] if known else [NOTHING] * 2
    return [percent(measured), percent(perfect), *lost]


def _points(value: float) -> str:
    """Points of mAP; perfect boxes can cost a little, where two persons come to share scores."""
    return f"{round(100 * value, 2) + 0.0:.2f}".replace("-", "−")


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else NOTHING


def _group_bars(groups: Sequence[Mapping[str, Any]], kind: str) -> list[Bar]:
    return [
        Bar(
            str(each["group"]).replace("_", " "),
            each["mAP"],
            f"{each['num_actions']}; {each['num_ground_truth']:,}",
        )
        for each in groups
        if each["by"] == kind
    ]


def _coverage(study: Study) -> dict[str, Any]:
    """Return what is available and what that does to the score."""
    table = study.coverage
    lost = table[table["status"] != "ok"]
    subsets = [
        [
            *(str(subset), str(split), f"{len(clips):,}"),
            *(f"{int((clips['status'] == status).sum()):,}" for status in STATUSES),
            f"{int(clips['keyframes'].sum()):,}",
        ]
        for (subset, split), clips in table.groupby(["subset", "split"], sort=False)
    ]
    shown = lost[:MAX_LOST][["clip", "subset", "status", "reason"]]
    return {
        "summary": _coverage_summary(study),
        "both": coverage_table(study),
        "subsets": subsets,
        "num_lost": len(lost),
        "num_lost_elsewhere": f"{len(lost) - len(shown):,}",
        "lost": [[str(text) for text in row] for row in shown.itertuples(index=False)],
    }


def _coverage_summary(study: Study) -> str:
    best, found = study.best, study.best.coverage(study.split)
    available, wanted = found["num_keyframes"], found["num_keyframes_all_ground_truth"]
    name = split_name(study.split)
    if not study.missing_from(study.split):
        return f"All {wanted:,} keyframes of {name} are available: the score leaves nothing out."
    return (
        f"{available:,} of {wanted:,} keyframes of {name} are available. The measured mAP counts "
        f"these; against all ground truth, with every missing keyframe as missed, {best.name} "
        f"scores {percent(found['mAP_all_ground_truth'])} instead of {percent(found['mAP'])}."
    )


def _figure(keyframe: Keyframe) -> dict[str, Any]:
    height, width = keyframe.image.shape[:2]
    return {
        "jpeg": base64.b64encode(draw_keyframe(keyframe)).decode("ascii"),
        "width": 4 * width,
        "height": 4 * height,
        "where": f"{keyframe.video_id}, second {keyframe.timestamp:g}",
        "ground_truth": "; ".join(
            ", ".join(names) or "nothing that counts" for _, names in keyframe.ground_truth
        ),
        "found": keyframe.found,
    }
