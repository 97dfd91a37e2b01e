"""The clip table, `clips.csv`: one row per clip that the study wants, known or not."""

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.atomic import written
from pipeline.core.tables import MAKE_ANEW, read_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "subset": "str",  # the subset of the dataset that wants it
    "split": "str",  # train, val..., or pretrain: wanted for its label only
    "clip": "str",  # the clip's name: the video id, with _start_end where a video has many clips
    "video_id": "str",
    "start_seconds": "float64",  # video time at which the clip starts
    "end_seconds": "float64",  # and ends
    "offset_seconds": "float64",  # where the clip starts inside the file that is downloaded
    "label": "str",  # Kinetics class of the whole clip, or empty
    "windows": "str",  # stored frames wanted: "1-70 181-250", both ends included
    "shard": "str",  # "00"...; empty where only reading the archives tells
}


# "1-70 181-250", or nothing; up to 92 hours at 30 frames a second.
WINDOWS = re.compile(r"([0-9]{1,7}-[0-9]{1,7}( [0-9]{1,7}-[0-9]{1,7}){0,20000})?")


def read_clips(path: Path) -> "pd.DataFrame":
    """Read a clip table with the columns and types of `COLUMNS`.

    Raises:
        ValueError: a file that is no such table.
    """
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    types = {"str": pa.string(), "float64": pa.float64()}
    column_types = {name: types[kind] for name, kind in COLUMNS.items()}
    try:
        table = arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(column_types=column_types, null_values=[]),
        )
        names = table.column_names
    except (pa.ArrowException, KeyError, UnicodeDecodeError) as error:  # KeyError: one twice
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: {reason}, expected a clip table; {MAKE_ANEW}") from None
    _check_columns(path, names)
    clips: pd.DataFrame = table.to_pandas()
    return clips


def read_windows(path: Path) -> dict[str, str]:
    """Read what the jobs of a shard need of a clip table: clip to its `windows`.

    Read without pandas, whose import alone would cost more than the table.
    """
    rows = read_table(path, list(COLUMNS))
    windows = {row["clip"]: row["windows"] for row in rows}
    for clip, text in windows.items():
        if not WINDOWS.fullmatch(text):
            raise ValueError(
                f"{path}: {clip[:80]}: found windows {text[:80]!r}, expected first-last frames; "
                f"{MAKE_ANEW}"
            )
    return windows


def _check_columns(path: Path, found: list[str]) -> None:
    if found != list(COLUMNS):
        raise ValueError(
            f"{path}: found columns {str(found)[:200]}, expected {list(COLUMNS)}; {MAKE_ANEW}"
        )


def write_clips(clips: "pd.DataFrame", path: Path) -> None:
    """Write a clip table sorted by subset and clip; equal tables give equal bytes."""
    ordered = clips[list(COLUMNS)].sort_values(["subset", "clip"], kind="stable")
    write_table(path, ordered)


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table without missing values as csv."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    columns = []
    for name in table:
        column = pa.array(table[name])
        if pa.types.is_floating(column.type):  # Arrow would write 900 for 900.0
            values, indices = np.unique(table[name].to_numpy(), return_inverse=True)
            column = pa.array([repr(value) for value in values.tolist()], pa.string()).take(indices)
        columns.append(column)
    with written(path) as temporary:
        try:
            options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
            with temporary.open("wb") as file:
                file.write((",".join(table.columns) + "\n").encode())
                arrow_csv.write_csv(pa.table(columns, list(table.columns)), file, options)
        except pa.ArrowInvalid:  # a text that needs quotes: Arrow would put all texts into them
            with temporary.open("w", encoding="utf-8", newline="") as quoted:
                rows = csv.writer(quoted, lineterminator="\n")
                rows.writerow(table.columns)
                rows.writerows(zip(*(table[name].tolist() for name in table), strict=True))


def is_safe_name(name: str) -> bool:
    """Return whether a clip's name can be used as a file name inside our own folders.

    Names come from downloaded files: none may leave its folder, hide, break a line, or become a
    formula in a spreadsheet that opens one of our tables. YouTube's ids may begin with a dash.
    """
    formula = name[:1] in ("=", "+", "@") or (name[:1] == "-" and set(name) & set("(|!="))
    return (
        not formula
        # Before the encoding, which bytes that are no UTF-8 (lone surrogates) do not survive.
        and name.isprintable()
        and 0 < len(name.encode()) <= 200
        and not name.startswith(".")
        and "/" not in name
        and "\\" not in name
    )


def parse_windows(text: str) -> list[tuple[int, int]]:
    """Turn "1-70 181-250" into [(1, 70), (181, 250)]."""
    pairs = [part.split("-") for part in text.split()]
    return [(int(first), int(last)) for first, last in pairs]
