"""The report as one HTML file: no network, light and dark, for a phone and for a keyboard."""

import base64
from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from pipeline.evaluation.metrics import ALL_TRUTH, MAIN_PROTOCOL
from pipeline.report.drawing import draw_keyframe
from pipeline.report.figures import Chart
from pipeline.report.gallery import Keyframe, Person
from pipeline.report.page_style import CSS, SCRIPT
from pipeline.report.study import Study, Variant
from pipeline.report.table import NOTHING, PUBLISHED, cells, columns, footnote, percent, split_name

MAX_LOSSES = 200  # rows of the coverage table; coverage.csv has them all
FIRST_NUMBER = 5  # column of the table where the numbers begin


def make_page(study: Study, charts: Sequence[Chart], gallery: Sequence[Keyframe]) -> str:
    """The whole page; equal input gives equal text."""
    sections = [
        ("table", "Ablation table", _table(study)),
        ("charts", "Charts", _charts(charts)),
        ("actions", "Actions", _actions(study)),
        ("gallery", "Gallery", _gallery(study, gallery)),
        ("coverage", "Coverage", _coverage(study)),
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
        ("truth labels there", f"{measured['counts']['truth_boxes']:,}"),
        ("actions with truth", f"{measured['num_actions']} of {len(study.classes)}"),
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
    total = len(study.variants)
    return (
        f"<p>{escape(footnote(study).replace('`', ''))}</p>"
        f'<p><label for="filter">Filter</label> '
        f'<input type="search" id="filter" placeholder="e.g. k700 focal"> '
        f'<span id="shown" class="soft small" role="status">{total} of {total} variants</span></p>'
        f'<div class="scroll" role="region" aria-label="Ablation table" tabindex="0">'
        f'<table id="ablation" role="table">'
        f"<caption>Measured here, and apart from it what was published</caption>"
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
    value, bracket, interval = text.partition(" [")
    kind = "published" if column == PUBLISHED else "number"
    kind += " measured" if place == FIRST_NUMBER else ""
    more = f'<span class="interval">[{escape(interval)}</span>' if bracket else ""
    key = value.replace("−", "-").replace(NOTHING, "-1000")
    return f'<td {named} class="{kind}" data-sort="{key}">{escape(value)}{more}</td>'


def _charts(charts: Sequence[Chart]) -> str:
    shown = "".join(
        f"<figure><h3>{escape(chart.title)}</h3>{chart.svg}</figure>\n" for chart in charts
    )
    return f'<div class="charts">{shown}</div>'


def _actions(study: Study) -> str:
    best = study.best.name
    rows = study.per_class
    rows = rows[(rows["split"] == study.split) & (rows["protocol"] == MAIN_PROTOCOL)]
    rows = rows[(rows["variant"] == best) & (rows["num_truth"] > 0)]
    rows = rows.sort_values(["num_truth", "action_id"], ascending=[False, True])
    bars = "".join(
        _bar(*row) for row in rows[["action", "num_truth", "AP"]].itertuples(index=False)
    )
    return (
        f"<p>Average precision of <b>{escape(best)}</b> on {escape(split_name(study.split))} for "
        f"each action with truth, the most frequent first; in brackets its number of labels.</p>"
        f'<ul class="bars">{bars}</ul>'
    )


def _bar(action: str, num_truth: int, ap: float) -> str:
    width = 0.0 if np.isnan(ap) else 100 * ap
    return (
        f'<li><span>{escape(action)}</span><span class="track" aria-hidden="true">'
        f'<span class="fill" style="width:{width:.1f}%"></span></span>'
        f'<span class="value">{width:.1f} % <span class="soft">({num_truth})</span></span></li>'
    )


def _gallery(study: Study, gallery: Sequence[Keyframe]) -> str:
    if not gallery:
        return "<p>No keyframe with people could be had.</p>"
    figures = "".join(_picture(keyframe) for keyframe in gallery)
    return (
        f"<p>Keyframes of {escape(split_name(study.split))}, chosen to show many different actions "
        f"and without a look at the detections. Dashed white: truth. Green: every action shown is "
        f"right. Orange: at least one is not. Detections by {escape(study.best.name)}.</p>"
        f'<div class="gallery">{figures}</div>'
    )


def _picture(keyframe: Keyframe) -> str:
    coded = base64.b64encode(draw_keyframe(keyframe)).decode("ascii")
    height, width = keyframe.image.shape[:2]
    truth = "; ".join(", ".join(names) or "nothing that counts" for _, names in keyframe.truth)
    people = "".join(f"<li>{_actions_of(person)}</li>" for person in keyframe.found)
    where = f"{keyframe.video_id}, second {keyframe.timestamp:g}"
    alt = f"Keyframe of {where} with {len(keyframe.found)} detected people. Truth: {truth}."
    return (
        f'<figure><img src="data:image/jpeg;base64,{coded}" width="{4 * width}" '
        f'height="{4 * height}" alt="{escape(alt)}"><figcaption class="small">{escape(where)}'
        f"<br>truth: {escape(truth)}<ol>{people}</ol></figcaption></figure>\n"
    )


def _actions_of(person: Person) -> str:
    return ", ".join(
        f'<span class="{"right" if action.is_right else "wrong"}">'
        f"{'✓' if action.is_right else '✗'} {escape(action.name)} {100 * action.score:.0f} %</span>"
        for action in person.actions
    )


def _coverage(study: Study) -> str:
    table = study.coverage
    grouped = table.groupby(["part", "split"], sort=False)
    counts = "".join(_coverage_row(str(k[0]), str(k[1]), rows) for k, rows in grouped)
    lost = table[table["status"] != "ok"]
    return (
        f"{_against_all_truth(study)}"
        f'<div class="scroll" role="region" aria-label="Clips by part" tabindex="0"><table>'
        f"<caption>Clips and keyframes by part of the dataset</caption><thead><tr>"
        f'<th scope="col">part</th><th scope="col">split</th><th scope="col">clips</th>'
        f'<th scope="col">whole</th><th scope="col">short</th><th scope="col">missing</th>'
        f'<th scope="col">keyframes wanted</th></tr></thead><tbody>{counts}</tbody></table></div>'
        f"<details><summary>{len(lost)} clips are missing or short, and why</summary>"
        f"{_losses(lost)}</details>"
    )


def _against_all_truth(study: Study) -> str:
    best = study.best
    main, whole = best.measured(study.split), best.measured(study.split, ALL_TRUTH)
    had, wanted = main["counts"]["keyframes"], whole["counts"]["keyframes"]
    name = escape(split_name(study.split))
    if not study.missing_from_score:
        return (
            f"<p>All {wanted:,} keyframes of {name} could be had: the score leaves nothing out.</p>"
        )
    return (
        f"<p>{had:,} of {wanted:,} keyframes of {name} could be had. The table counts these; "
        f"against all truth, with every missing keyframe as missed, {escape(best.name)} scores "
        f"{percent(whole['mAP'])} instead of {percent(main['mAP'])}.</p>"
    )


def _coverage_row(part: str, split: str, rows: pd.DataFrame) -> str:
    counts = [int((rows["status"] == status).sum()) for status in ("ok", "short", "missing")]
    numbers = [len(rows), *counts, int(rows["keyframes"].sum())]
    cells = "".join(f"<td>{number:,}</td>" for number in numbers)
    return f'<tr><th scope="row">{escape(part)}</th><td>{escape(split)}</td>{cells}</tr>'


def _losses(lost: pd.DataFrame) -> str:
    shown = lost[:MAX_LOSSES][["part", "clip", "status", "reason"]]
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(text))}</td>" for text in row) + "</tr>"
        for row in shown.itertuples(index=False)
    )
    more = len(lost) - len(shown)
    note = f"<p>{more:,} more stand in coverage.csv.</p>" if more else ""
    return (
        f'<div class="scroll" role="region" aria-label="Missing and short clips" tabindex="0">'
        f'<table><thead><tr><th scope="col">part</th><th scope="col">clip</th>'
        f'<th scope="col">status</th><th scope="col">reason</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )
