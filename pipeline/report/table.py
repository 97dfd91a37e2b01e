"""The ablation table: Markdown for reading, plain text for a terminal, JSON for comparing.

Measured and published mAP stand in separate columns under separate names: the published ones belong
to the full-size study, whatever dataset was built here.
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from pipeline.evaluation.metrics import MAIN_SPLIT, PUBLISHED_PROTOCOL
from pipeline.evaluation.uncertainty import Step, why_no_interval
from pipeline.report.study import Study, Variant
from pipeline.settings.sections import JOINT_SPLIT, Train

PUBLISHED = "published mAP (AVA 2.2 val, full-size, from mmaction2)"
SPLIT_NAMES = {MAIN_SPLIT: "AVA val", "val_kinetics": "Kinetics val", JOINT_SPLIT: "all val"}
NOTHING = "–"


def split_name(split: str) -> str:
    """Return how a split is called in headings."""
    return SPLIT_NAMES.get(split, split)


def head_of(train: Train) -> str:
    """Return the detector's head in words, `linear` or what was added to it."""
    parts = ["context"] if train.context else []
    parts += ["max over time"] if train.temporal_pool == "max" else []
    return " + ".join([*parts, str(train.head)])


def percent(value: float | None) -> str:
    """Return an mAP of 0 to 1 in percent, the field's unit."""
    return NOTHING if value is None else f"{100 * value:.2f}"


def signed(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "−")


class Cell(NamedTuple):
    """What stands in one cell: a value, its 95 % interval, a remark."""

    value: str
    interval: str = ""
    note: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in self if part)

    @property
    def key(self) -> str:
        """Return what the page sorts the column by."""
        return self.value.replace("−", "-").replace(NOTHING, "-1000")


@dataclass(frozen=True)
class Column:
    """A column of the table, wherever it is shown.

    Attributes:
        heading: its name.
        cell: what it says of a variant.
        kind: "text", "number", "measured" (the headline number) or "published" (never ours).
        short_heading: its name on a terminal, when another.
        short: whether a terminal shows the value alone.
    """

    heading: str
    cell: Callable[[Variant], Cell]
    kind: Literal["text", "number", "measured", "published"] = "text"
    short_heading: str = ""
    short: bool = False

    @property
    def classes(self) -> str:
        """Return the names by which the page's style knows it."""
        return "number measured" if self.kind == "measured" else self.kind

    def on_terminal(self, variant: Variant) -> str:
        """Return its text for a narrow table."""
        cell = self.cell(variant)
        if self.kind == "text":
            return cell.value.replace(" over time", "").replace(" + ", "+")
        return cell.value if self.short else str(cell)


def columns(study: Study) -> list[Column]:
    """Return the table's columns in order; a new one is an entry here and nothing else."""
    name = split_name(study.split)
    whole = Column(
        f"{name} mAP against all ground truth",
        lambda each: Cell(percent(each.coverage(study.split)["mAP_all_ground_truth"])),
        "number",
        f"{name} against all ground truth",
    )
    backbones = {str(each.train.backbone) for each in study.variants}
    return [
        Column("variant", lambda each: Cell(each.name)),
        *([Column("backbone", lambda each: Cell(str(each.train.backbone)))][: len(backbones) - 1]),
        Column("sampling", lambda each: Cell(each.train.sampling)),
        Column("pretrain", lambda each: Cell(each.train.pretrained)),
        Column("head", lambda each: Cell(head_of(each.train))),
        Column("loss", lambda each: Cell(str(each.train.loss))),
        Column(f"measured mAP ({name})", lambda each: measured(each, study.split), "measured"),
        *([whole] if study.missing_from(study.split) else []),
        *(
            Column(f"{split_name(split)} mAP", partial(measured, split=split), "number", short=True)
            for split in study.other_splits
        ),
        Column("step to the variant above", lambda each: step_cell(each.step), "number", "step"),
        Column(
            f"{name} mAP as mmaction2 scores",
            lambda each: Cell(percent(by_published_protocol(each, study.split))),
            "number",
            "by mmaction2",
        ),
        Column(PUBLISHED, lambda each: Cell(published(each)), "published", "published*"),
    ]


def measured(variant: Variant, split: str) -> Cell:
    """Return `62.40 [55.10, 68.30]`: mAP of a split in percent and its 95 % interval."""
    found = variant.measured(split)
    interval, value = found.get("interval"), percent(found.get("mAP"))
    return Cell(value, f"[{percent(interval[0])}, {percent(interval[1])}]" if interval else "")


def by_published_protocol(variant: Variant, split: str) -> float | None:
    """Return the mAP of the same detections under the rules by which the published one came."""
    value: float | None = variant.measured(split, PUBLISHED_PROTOCOL).get("mAP")
    return value


def published(variant: Variant) -> str:
    """Return the mAP that others published for the full-size study, in percent."""
    return NOTHING if variant.published is None else f"{variant.published:.2f}"


def step_cell(step: Step | None) -> Cell:
    """Return `+0.49 [−0.10, +1.20] 31 % sign change`: a difference and how sure it is."""
    if step is None:
        return Cell(NOTHING)
    text = signed(step.difference)
    if step.interval is None:
        return Cell(text)
    interval = f"[{signed(step.interval.low)}, {signed(step.interval.high)}]"
    return Cell(text, interval, sign_change_text(step.share_sign_changes))


def sign_change_text(share: float) -> str:
    """Return a share of resamples in words; only none at all is called 0 %."""
    return "< 1 % sign change" if 0 < share < 0.01 else f"{100 * share:.0f} % sign change"


def footnote(study: Study) -> str:
    """Return what the numbers are, in one paragraph."""
    measured = study.best.measured(study.split)
    keyframes, videos = measured["counts"]["keyframes"], measured["num_videos"]
    return (
        f"Measured on the dataset `{study.dataset}`: frame mAP at IoU 0.5 in percent, official AVA "
        f"protocol (at most 50 rows a keyframe), {keyframes:,} keyframes of {videos:,} videos. In "
        f"brackets: 95 % intervals from a bootstrap over videos, paired for the steps; sign "
        f"change: share of resamples in which a step has the other sign or is zero."
        f"{_interval_note(study)}{_missing_note(study)}{_protocol_note(study)} The published "
        f"column belongs to the full-size study and compares with a build of `ava_kinetics` only."
    )


def _interval_note(study: Study) -> str:
    found = study.best.measured(study.split)
    why = why_no_interval(found["num_videos"], study.num_resamples) or "no resample has an mAP"
    return "" if found.get("interval") else f" There are no intervals here: {why}."


def _protocol_note(study: Study) -> str:
    if by_published_protocol(study.best, study.split) is None:
        return (
            " mmaction2's protocol takes neither fractional timestamps nor keyframes without "
            "people, so nothing here can be set beside the published column."
        )
    return (
        " The published figures were measured by mmaction2's protocol: set them beside the column "
        "that scores the same detections by it."
    )


def _missing_note(study: Study) -> str:
    if not study.missing_from(study.split):
        return ""
    found = study.best.coverage(study.split)
    available, wanted = found["num_keyframes"], found["num_keyframes_all_ground_truth"]
    return (
        f" {available:,} of {wanted:,} keyframes are available: the measured mAP counts these, the "
        f"one against all ground truth counts the missing ones as missed."
    )


def coverage_table(study: Study) -> list[list[str]]:
    """Headings and rows: both mAPs side by side for each split with missing keyframes, or none."""
    lossy = [split for split in study.splits if study.missing_from(split)]
    if not lossy:
        return []
    heads = ["variant"]
    for split in lossy:
        found, name = study.best.coverage(split), split_name(split)
        available, wanted = found["num_keyframes"], found["num_keyframes_all_ground_truth"]
        heads += [
            f"{name}: mAP on the {available:,} available keyframes",
            f"{name}: mAP on all {wanted:,}",
        ]
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
    """Return the table as Markdown, with its footnote; the best variant is bold."""
    shown = columns(study)
    rows = [[column.heading for column in shown], ["---"] * len(shown)]
    for variant in study.variants:
        bold = "**" if variant is study.best else ""
        rows.append(
            [
                f"{bold}{column.cell(variant)}{bold}"
                if column.heading == "variant" or column.kind == "measured"
                else str(column.cell(variant))
                for column in shown
            ]
        )
    blocks = [_markdown(rows), footnote(study)]
    if both := coverage_table(study):
        blocks.append(_markdown([both[0], ["---"] * len(both[0]), *both[1:]]))
    return "\n\n".join(blocks) + "\n"


def _markdown(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def format_table(study: Study) -> str:
    """Return the table in fixed-width columns, for a terminal."""
    shown = columns(study)
    rows = [[column.short_heading or column.heading for column in shown]]
    rows += [[column.on_terminal(variant) for column in shown] for variant in study.variants]
    widths = [max(map(len, texts)) for texts in zip(*rows, strict=True)]
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
        as_published = by_published_protocol(variant, split)
        numbers[split] = {
            "mAP": measured.get("mAP"),
            "mAP_low": low,
            "mAP_high": high,
            "mAP_uncapped": uncapped,
            "mAP_by_mmaction2": as_published,
            "mAP_perfect_boxes": variant.errors[split]["perfect_boxes"]["mAP"],
            **{name: value for name, value in variant.coverage(split).items() if name != "mAP"},
        }
    if variant.step is not None:
        found = variant.step.interval
        numbers["step"] = {
            "difference": variant.step.difference,
            "low": None if found is None else found.low,
            "high": None if found is None else found.high,
            "share_sign_changes": variant.step.share_sign_changes,
        }
    numbers["num_keyframes"] = variant.metrics["num_keyframes"]
    numbers["num_videos"] = variant.metrics["num_videos"]
    return numbers
