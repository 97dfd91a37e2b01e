"""The report as one HTML file: no network, light and dark, for a phone and for a keyboard."""

import base64
from collections.abc import Sequence
from html import escape

from pipeline.evaluation.metrics import MAIN_PROTOCOL
from pipeline.report.drawing import draw_keyframe
from pipeline.report.figures import Chart
from pipeline.report.gallery import Keyframe, Person
from pipeline.report.markup import Bar, html_bars
from pipeline.report.page_coverage import coverage_section
from pipeline.report.page_errors import errors_section
from pipeline.report.page_style import CSS, SCRIPT
from pipeline.report.study import Study, Variant
from pipeline.report.table import NOTHING, PUBLISHED, cells, columns, footnote, percent, split_name

NUM_BARS = 20  # actions that are shown at once
FIRST_NUMBER = 5  # column of the table where the numbers begin


def make_page(study: Study, charts: Sequence[Chart], gallery: Sequence[Keyframe]) -> str:
    """The whole page; equal input gives equal text."""
    sections = [
        ("table", "Ablation table", _table(study)),
        ("charts", "Charts", _charts(charts)),
        ("actions", "Actions", _actions(study)),
        ("errors", "Errors", errors_section(study)),
        ("coverage", "Coverage", coverage_section(study)),
        ("gallery", "Gallery", _gallery(study, gallery)),
    ]
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in sections)
    bodies = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{title}</h2>{body}</section>\n'
        for name, title, body in sections
    )
    title = f"AVA-Kinetics SlowOnly study: {escape(study.dataset)}"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n'
        f"<title>{title}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f'<a class="skip" href="#table">Skip to the table</a>\n'
        f"<header><h1>{title}</h1>{_facts(study)}"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>\n'
        f"<main>\n{bodies}</main>\n"
        f"<footer><p>Built by report of the AVA-Kinetics pipeline; raw numbers: metrics.json.</p>"
        f"</footer>\n"
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _facts(study: Study) -> str:
    best, measured = study.best, study.best.measured(study.split)
    had = study.coverage[study.coverage["status"] != "missing"]
    facts = [
        ("clips", f"{had['clip'].nunique():,} of {study.coverage['clip'].nunique():,}"),
        (f"keyframes scored ({split_name(study.split)})", f"{measured['counts']['keyframes']:,}"),
        ("ground truth labels there", f"{measured['counts']['ground_truth_boxes']:,}"),
        ("actions with ground truth", f"{measured['num_actions']} of {len(study.classes)}"),
        ("variants", str(len(study.variants))),
        (f"best: {best.name}", f"{percent(best.mAP)} mAP"),
    ]
    shown = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    return (
        '<p class="soft">Nine ways to train a person-action detector, each trained and evaluated '
        "by the same pipeline from the same clips.</p>"
        if len(study.variants) == 9
        else '<p class="soft">Every variant was trained and evaluated from the same clips.</p>'
    ) + f'<dl class="facts">{shown}</dl>'


def _table(study: Study) -> str:
    heads = "".join(_heading(name) for name in columns(study))
    rows = "".join(_row(study, variant) for variant in study.variants)
    options = "".join(
        f'<option value="{place}">{escape(name)}</option>'
        for place, name in enumerate(columns(study))
    )
    total = len(study.variants)
    return (
        f"<p>{escape(footnote(study).replace('`', ''))}</p>"
        f'<p><label for="filter">Filter</label> '
        f'<input type="search" id="filter" placeholder="e.g. k700 focal"> '
        f'<span id="shown" class="soft small" role="status">{total} of {total} variants</span></p>'
        f'<p class="sort"><label for="sort">Sort by</label> <select id="sort">'
        f'<option value="">order of the study</option>{options}</select></p>'
        f'<div class="scroll" role="region" aria-label="Ablation table" tabindex="0">'
        f'<table id="ablation" role="table">'
        f"<caption>Measured here; the last column was published by others and is not ours</caption>"
        f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table></div>'
    )


def _heading(name: str) -> str:
    published = ' class="published"' if name == PUBLISHED else ""
    button = f'<button type="button">{escape(name)}</button>'
    return f'<th scope="col" role="columnheader"{published}>{button}</th>'


def _row(study: Study, variant: Variant) -> str:
    texts, names = cells(study, variant), columns(study)
    marked = ' class="best"' if variant is study.best else ""
    # The roles are spelt out because a phone shows each row as a card, which hides a table's own.
    first = f'<th scope="row" role="rowheader">{escape(texts[0])}</th>'
    rest = "".join(
        _cell(place, text, names[place]) for place, text in enumerate(texts) if place > 0
    )
    return f'<tr role="row"{marked}>{first}{rest}</tr>'


def _cell(place: int, text: str, column: str) -> str:
    named = f'role="cell" data-label="{escape(column)}"'
    if place < FIRST_NUMBER:
        return f"<td {named}>{escape(text)}</td>"
    value, bracket, rest = text.partition(" [")
    interval, _, flips = rest.partition("] ")
    kind = "published" if column == PUBLISHED else "number"
    kind += " measured" if place == FIRST_NUMBER else ""
    lines = [f"[{interval.rstrip(']')}]", flips] if bracket else []
    more = "".join(f'<span class="interval">{escape(line)}</span>' for line in lines if line)
    key = value.replace("−", "-").replace(NOTHING, "-1000")
    return f'<td {named} class="{kind}" data-sort="{key}"><span>{escape(value)}{more}</span></td>'


def _charts(charts: Sequence[Chart]) -> str:
    shown = "".join(
        f"<figure><h3>{escape(chart.title)}</h3>{chart.svg}</figure>\n" for chart in charts
    )
    return f'<div class="charts">{shown}</div>'


def _actions(study: Study) -> str:
    best, first = study.best.name, study.variants[0].name
    rows = study.per_class
    rows = rows[(rows["split"] == study.split) & (rows["protocol"] == MAIN_PROTOCOL)]
    rows = rows[rows["num_ground_truth"] > 0]
    marks = rows[rows["variant"] == first].set_index("action_id")["AP"]
    rows = rows[rows["variant"] == best]
    rows = rows.assign(mark=rows["action_id"].map(marks))
    rows = rows.sort_values(["num_ground_truth", "action_id"], ascending=[False, True])
    columns = rows[["action", "AP", "num_ground_truth", "mark"]]
    bars = [
        Bar(action, ap, f"{100 * mark:.1f}; {num_ground_truth:,}", mark)
        for action, ap, num_ground_truth, mark in columns.itertuples(index=False)
    ]
    return (
        f"<p>Average precision of <b>{escape(best)}</b> on {escape(split_name(study.split))} for "
        f"each action with ground truth, the most frequent first. In brackets, and as a line in the bar, "
        f"that of {escape(first)}; then the number of ground truth boxes.</p>"
        f"{html_bars(bars[:NUM_BARS])}{_more_actions(bars[NUM_BARS:])}"
    )


def _more_actions(bars: Sequence[Bar]) -> str:
    if not bars:
        return ""
    return f"<details><summary>{len(bars)} rarer actions</summary>{html_bars(bars)}</details>"


def _gallery(study: Study, gallery: Sequence[Keyframe]) -> str:
    if not gallery:
        return "<p>No keyframe with people could be had.</p>"
    figures = "".join(_picture(keyframe) for keyframe in gallery)
    return (
        f"<p>Keyframes of {escape(split_name(study.split))}, chosen to show many different actions "
        f"and without a look at the detections. Dashed white: ground truth. Green: every action shown is "
        f"right. Orange: at least one is not. Detections by {escape(study.best.name)}.</p>"
        f'<div class="gallery">{figures}</div>'
    )


def _picture(keyframe: Keyframe) -> str:
    coded = base64.b64encode(draw_keyframe(keyframe)).decode("ascii")
    height, width = keyframe.image.shape[:2]
    ground_truth = "; ".join(
        ", ".join(names) or "nothing that counts" for _, names in keyframe.ground_truth
    )
    people = "".join(f"<li>{_actions_of(person)}</li>" for person in keyframe.found)
    where = f"{keyframe.video_id}, second {keyframe.timestamp:g}"
    alt = f"Keyframe of {where} with {len(keyframe.found)} detected people. Ground truth: {ground_truth}."
    return (
        f'<figure><img src="data:image/jpeg;base64,{coded}" width="{4 * width}" '
        f'height="{4 * height}" alt="{escape(alt)}"><figcaption class="small">{escape(where)}'
        f"<br>ground truth: {escape(ground_truth)}<ol>{people}</ol></figcaption></figure>\n"
    )


def _actions_of(person: Person) -> str:
    return ", ".join(
        f'<span class="{"right" if action.is_right else "wrong"}">'
        f"{'✓' if action.is_right else '✗'} {escape(action.name)} {100 * action.score:.0f} %</span>"
        for action in person.actions
    )
