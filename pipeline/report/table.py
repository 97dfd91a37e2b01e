"""The ablation table: Markdown for reading, plain text for a terminal, JSON for comparing.

Measured and published mAP stand in separate columns under separate names: the published ones belong
to the full-size study, whatever dataset was built here.
"""

import textwrap
from typing import Any

from pipeline.evaluation.metrics import MAIN_SPLIT
from pipeline.evaluation.uncertainty import Step
from pipeline.report.study import Study, Variant
from pipeline.settings.sections import JOINT_SPLIT, Train

PUBLISHED = "published mAP (AVA 2.2 val, full-size, from mmaction2)"
SPLIT_NAMES = {MAIN_SPLIT: "AVA val", "val_kinetics": "Kinetics val", JOINT_SPLIT: "all val"}
NOTHING = "–"


def split_name(split: str) -> str:
    """How a split is called in headings."""
    return SPLIT_NAMES.get(split, split)


def head_of(train: Train) -> str:
    """The detector's head in words, `linear` or what was added to it."""
    parts = ["context"] if train.context else []
    parts += ["max over time"] if train.temporal_pool == "max" else []
    return " + ".join([*parts, "MLP" if train.head == "mlp" else "linear"])


def loss_of(train: Train) -> str:
    return f"focal, γ {train.focal_gamma:g}" if train.loss == "focal" else "BCE"


def percent(value: float | None) -> str:
    """An mAP of 0 to 1 in percent, the field's unit."""
    return NOTHING if value is None else f"{100 * value:.2f}"


def signed(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "−")


def with_interval(measured: dict[str, Any]) -> str:
    """`62.40 [55.10, 68.30]`: mAP in percent and its 95 % interval."""
    interval = measured.get("interval")
    text = percent(measured.get("mAP"))
    return f"{text} [{percent(interval[0])}, {percent(interval[1])}]" if interval else text


def step_text(step: Step | None) -> str:
    """`+0.49 [−0.10, +1.20] 31 % flip`: difference, its 95 % interval, how often the sign turns."""
    if step is None:
        return NOTHING
    text = signed(step.difference)
    if step.interval is None:
        return text
    low, high = signed(step.interval.low), signed(step.interval.high)
    return f"{text} [{low}, {high}] {flips_text(step.share_flipped)}"


def flips_text(share: float) -> str:
    """A share of resamples; only none at all is called 0 %."""
    return "< 1 % flip" if 0 < share < 0.01 else f"{100 * share:.0f} % flip"


def columns(study: Study) -> list[str]:
    """Headings of the table, in order."""
    others = [f"{split_name(split)} mAP" for split in study.other_splits]
    name = split_name(study.split)
    return [
        *("variant", "sampling", "pretrain", "head", "loss"),
        f"measured mAP ({name})",
        *([f"{name} mAP against all ground truth"] if study.missing_from(study.split) else []),
        *others,
        "step to the row above",
        PUBLISHED,
    ]


def cells(study: Study, variant: Variant) -> list[str]:
    """One row of the table, as texts in the order of `columns`."""
    train, split = variant.train, study.split
    whole = (
        [percent(variant.coverage(split)["mAP_all_ground_truth"])]
        if study.missing_from(split)
        else []
    )
    return [
        *(variant.name, train.sampling, train.pretrained, head_of(train), loss_of(train)),
        with_interval(variant.measured(split)),
        *whole,
        *(with_interval(variant.measured(each)) for each in study.other_splits),
        step_text(variant.step),
        NOTHING if variant.published is None else f"{variant.published:.2f}",
    ]


def footnote(study: Study) -> str:
    """What the numbers are, in one paragraph."""
    measured = study.best.measured(study.split)
    keyframes, videos = measured["counts"]["keyframes"], measured["num_videos"]
    return (
        f"Measured on the dataset `{study.dataset}`: frame mAP at IoU 0.5 in percent, official AVA "
        f"protocol (at most 50 rows a keyframe), {keyframes:,} keyframes of {videos:,} videos. In "
        f"brackets: 95 % intervals from a bootstrap over videos, paired for the steps; flip: share "
        f"of resamples in which a step has the other sign or is zero.{_missing_note(study)} The "
        f"published column belongs to the full-size study and compares with a build of "
        f"`ava_kinetics` only."
    )


def _missing_note(study: Study) -> str:
    if not study.missing_from(study.split):
        return ""
    found = study.best.coverage(study.split)
    had, wanted = found["num_keyframes"], found["num_keyframes_all_ground_truth"]
    return (
        f" {had:,} of {wanted:,} keyframes could be had: the measured mAP counts these, the one "
        f"against all ground truth counts the missing ones as missed."
    )


def coverage_table(study: Study) -> list[list[str]]:
    """Headings and rows: both mAPs side by side for each split with missing keyframes, or none."""
    lossy = [split for split in study.splits if study.missing_from(split)]
    if not lossy:
        return []
    heads = ["variant"]
    for split in lossy:
        found, name = study.best.coverage(split), split_name(split)
        had, wanted = found["num_keyframes"], found["num_keyframes_all_ground_truth"]
        heads += [f"{name}: mAP on the {had:,} keyframes had", f"{name}: mAP on all {wanted:,}"]
    rows = [
        [
            variant.name,
            *(
                percent(variant.coverage(split)[value])
                for split in lossy
                for value in ("mAP", "mAP_all_ground_truth")
            ),
        ]
        for variant in study.variants
    ]
    return [heads, *rows]


def markdown_table(study: Study) -> str:
    """The table as Markdown, with its footnote; the best measured row is bold."""
    rows = [columns(study), ["---"] * len(columns(study))]
    for variant in study.variants:
        row = cells(study, variant)
        if variant is study.best:
            row[0], row[5] = f"**{row[0]}**", f"**{row[5]}**"
        rows.append(row)
    blocks = [_markdown(rows), footnote(study)]
    if both := coverage_table(study):
        blocks.append(_markdown([both[0], ["---"] * len(both[0]), *both[1:]]))
    return "\n\n".join(blocks) + "\n"


def _markdown(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def format_table(study: Study) -> str:
    """The table in fixed-width columns, for a terminal."""
    rows = [columns(study), *(cells(study, variant) for variant in study.variants)]
    for row in rows:
        row[3] = row[3].replace(" over time", "").replace(" + ", "+")
        row[6:-2] = [text.partition(" [")[0] for text in row[6:-2]]
    rows[0] = [name.replace(" mAP against", " against") for name in rows[0]]
    rows[0][-2:] = ["step", "published*"]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    ruled = [lines[0], "─" * max(map(len, lines)), *lines[1:]]
    notes = [f"* {PUBLISHED}", *textwrap.wrap(footnote(study), 100)]
    return "\n".join([*ruled, "", *notes])


def overall_metrics(study: Study) -> dict[str, dict[str, Any]]:
    """`metrics.json` of the whole study: flat numbers by variant, in the table's order."""
    return {variant.name: _flat(study, variant) for variant in study.variants}


def _flat(study: Study, variant: Variant) -> dict[str, Any]:
    numbers: dict[str, Any] = {"mAP": variant.mAP}
    for split in study.splits:
        measured = variant.measured(split)
        low, high = measured.get("interval") or (None, None)
        uncapped = variant.measured(split, "uncapped").get("mAP")
        numbers[split] = {
            "mAP": measured.get("mAP"),
            "mAP_low": low,
            "mAP_high": high,
            "mAP_uncapped": uncapped,
            "mAP_perfect_boxes": variant.errors[split]["perfect_boxes"]["mAP"],
            **{name: value for name, value in variant.coverage(split).items() if name != "mAP"},
        }
    if variant.step is not None:
        found = variant.step.interval
        numbers["step"] = {
            "difference": variant.step.difference,
            "low": None if found is None else found.low,
            "high": None if found is None else found.high,
            "share_flipped": variant.step.share_flipped,
        }
    numbers["num_keyframes"] = variant.metrics["num_keyframes"]
    numbers["num_videos"] = variant.metrics["num_videos"]
    return numbers
