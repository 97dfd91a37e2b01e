"""What is missing of each action class, and a page that says it: what, how much, and why."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.annotations.merging import REASONS
from pipeline.core.atomic import written

MOST_REASONS = 12  # a page is to be read; coverage.csv has them all
# Excluded rows are not missing, nor what stands twice.
LOSSES = (
    *("outside every clip", "missing video", "damaged", "frames short"),
    *("class outside the list", "degenerate box"),
)
SPECIAL = str.maketrans({"|": "\\|", "<": "&lt;", "`": "'", "\n": " "})


def class_table(
    labels: Mapping[tuple[str, str], np.ndarray[tuple[int, ...], np.dtype[np.int64]]],
    names: Mapping[int, str],
) -> pd.DataFrame:
    """Return one row per subset and class that the subset has labels of.

    Args:
        labels: (subset, split) to [classes from 0, reasons] rows of ground truth, as
            `MergedSubset.labels`.
        names: of the classes.

    Returns: subset, split, action_id, class, labels (that count), kept, and one column per
        reason of `LOSSES`.
    """
    rows = []
    for (subset, split), counts in sorted(labels.items()):
        last = len(counts) - 1
        for action in range(1, last + 1):
            lost = {reason: int(counts[action, REASONS.index(reason)]) for reason in LOSSES}
            kept = int(counts[action, 0])
            total = kept + sum(lost.values())
            if total:
                beyond = f"ids above {last - 1}"
                name = names.get(action, beyond if action == last else f"class {action}")
                rows.append((subset, split, action, name, total, kept, *lost.values()))
    columns = ["subset", "split", "action_id", "class", "labels", "kept", *LOSSES]
    return pd.DataFrame(rows, columns=columns)


def coverage_page(dataset: str, coverage: pd.DataFrame, classes: pd.DataFrame) -> str:
    """Markdown: per split the clips and why some are missing, then the classes by what they lost.

    Args:
        coverage: as from `coverage_table`.
        classes: as from `class_table`.
    """
    lines = [f"# What there is of {dataset}", ""]
    for split, clips in coverage.groupby("split", sort=True):
        status = {name: int((clips["status"] == name).sum()) for name in ("ok", "short", "missing")}
        lines += [
            f"## {split}",
            "",
            f"{len(clips):,} clips wanted: {status['ok']:,} whole, {status['short']:,} short, "
            f"{status['missing']:,} missing.",
            "",
        ]
        lines += _reasons(clips[clips["status"] != "ok"])
        lines += _classes(classes[classes["split"] == split])
    return "\n".join(lines)


def write_coverage_page(
    coverage_csv: Path, dataset: str, coverage: pd.DataFrame, classes: pd.DataFrame
) -> None:
    """Write `coverage_by_class.csv` and `coverage.md` beside `coverage.csv`.

    Args:
        coverage_csv: beside which both are written.
        dataset: its name, for the heading.
        coverage: as from `coverage_table`.
        classes: as from `class_table`.
    """
    with written(coverage_csv.with_name("coverage_by_class.csv")) as temporary:
        classes.to_csv(temporary, index=False, lineterminator="\n")
    with written(coverage_csv.with_name("coverage.md")) as temporary:
        temporary.write_text(coverage_page(dataset, coverage, classes), encoding="utf-8")


def _reasons(lost: pd.DataFrame) -> list[str]:
    if lost.empty:
        return []
    counts = lost.groupby(["status", "reason"])[["clip", "keyframes"]].agg(
        {"clip": "size", "keyframes": "sum"}
    )
    counts = counts.reset_index().sort_values(
        ["clip", "status", "reason"], ascending=[False, True, True]
    )
    rows = [
        (str(row.status), _cell(row.reason), f"{row.clip:,}", f"{row.keyframes:,}")
        for row in counts[:MOST_REASONS].itertuples(index=False)
    ]
    more = len(counts) - len(rows)
    note = [f"{more:,} more reasons stand in coverage.csv.", ""] if more else []
    return [*_table(("clips are", "why", "clips", "their keyframes"), rows), *note]


def _classes(classes: pd.DataFrame) -> list[str]:
    totals = classes.groupby(["action_id", "class"])[["labels", "kept", *LOSSES]].sum()
    totals = totals.reset_index()
    totals = totals.assign(lost=totals["labels"] - totals["kept"])
    totals = totals.assign(share=totals["lost"] / totals["labels"])
    totals = totals.sort_values(["share", "lost", "action_id"], ascending=[False, False, True])
    if totals.empty:
        return []
    rows = []
    for row in totals.to_dict("records"):
        causes = ", ".join(f"{row[reason]:,} {reason}" for reason in LOSSES if row[reason])
        share = f"{100 * row['share']:.1f} %"
        rows.append((_cell(row["class"]), f"{row['labels']:,}", f"{row['lost']:,}", share, causes))
    return _table(("class", "labels", "lost", "share", "to"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _cell(text: object) -> str:
    """Return a text from elsewhere so that it breaks no table and shows no markup."""
    return str(text).translate(SPECIAL)
