"""Read and write the AVA csv formats: truth, detections, excluded timestamps, class lists.

A truth row is `video_id,timestamp,x1,y1,x2,y2,action_id[,person_id]`, a detection row has the score
in the eighth place (1.0 when it is left out), and a row of two columns is an annotated keyframe
without people.  Boxes are fractions of width and height.  There is no header and no blank line.

Every table keeps the file's row order and a plain 0, 1, 2... index, so that row number = index + 1
survives filtering, and names its file in `attrs["source"]`: a later check can still say where.

Source: https://research.google.com/ava/download.html and ActivityNet's `get_ava_performance.py`.
"""

import csv
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from pipeline.atomic import written

BOX = ["x1", "y1", "x2", "y2"]
TRUTH_COLUMNS = ["video_id", "timestamp", *BOX, "action_id", "person_id"]
DETECTION_COLUMNS = ["video_id", "timestamp", *BOX, "action_id", "score"]
NO_PERSON_ID = -1

_TYPES = {
    "video_id": "str",
    "timestamp": "float64",
    **dict.fromkeys(BOX, "float64"),
    "action_id": "int64",
    "person_id": "int64",
    "score": "float64",
}
_ARROW = {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
_PARSERS: dict[str, Callable[[str], object]] = {
    "str": str,
    "int64": int,
    "float64": float,
}
_EXPECTED = {"int64": "a whole number", "float64": "a number"}


def read_truth(path: Path) -> pd.DataFrame:
    """Ground truth of an AVA or AVA-Kinetics split.

    Returns:
        video_id (str), timestamp (float64, seconds), x1, y1, x2, y2 (float64 fractions, NaN on a
        row without a person), action_id (int64, 0 there), person_id (int64, -1 when absent).

    Raises:
        ValueError: the first row that does not parse, with file and row number.
    """
    table = _read_boxes(path, TRUTH_COLUMNS, missing_last=NO_PERSON_ID)
    people = table["action_id"] != 0
    coordinates = table[BOX].to_numpy()
    # NaN marks a row without a person, so a written "nan" must not pass for one.
    _refuse_rows(
        path,
        table,
        people & ~np.isfinite(coordinates).all(axis=1),
        "box",
        "finite numbers",
    )
    return table


def read_detections(path: Path) -> pd.DataFrame:
    """Detections: video_id, timestamp, x1, y1, x2, y2, action_id, score as in `read_truth`.

    Rows of two columns carry no detection and are left out.  Boxes and scores may be NaN or lie
    outside [0, 1]: what they count is the protocol's affair.

    Raises:
        ValueError: the first row that does not parse, with file and row number.
    """
    table = _read_boxes(path, DETECTION_COLUMNS, missing_last=1.0)
    detected: pd.DataFrame = table[table["action_id"] != 0]
    return detected


def read_exclusions(path: Path | None) -> pd.DataFrame:
    """Keyframes that do not count: video_id (str), timestamp (float64); empty without a path."""
    columns: tuple[list[object], list[object]] = ([], [])
    if path is not None:
        for number, row in _rows(path):
            if len(row) != 2:
                raise _row_error(path, number, f"{len(row)} columns", "2")
            columns[0].append(row[0])
            columns[1].append(_parsed(path, number, "timestamp", row[1]))
    table = pd.DataFrame({"video_id": columns[0], "timestamp": columns[1]})
    return table.astype({"video_id": "str", "timestamp": "float64"})


def read_class_list(path: Path) -> dict[int, str]:
    """Action names by id, in file order, from either published layout of a pbtxt class list.

    AVA writes `label { name: "..." label_id: 1 label_type: ... }`, the ActivityNet challenge
    `item { name: "..." id: 1 }`.

    Raises:
        ValueError: no class at all, a block without a name or an id, or an id given twice.
    """
    text = Path(path).read_text(encoding="utf-8-sig")
    classes: dict[int, str] = {}
    for number, block in enumerate(re.findall(r"(?:item|label)\s*\{([^}]*)\}", text), start=1):
        name = re.search(r"\bname\s*:\s*([\"'])(.*?)\1", block)
        action = re.search(r"\b(?:label_)?id\s*:\s*(\d+)", block)
        if name is None or action is None:
            raise ValueError(f"{path}: class {number}: found no name or no id, expected both")
        action_id = int(action[1])
        if action_id in classes:
            raise ValueError(f"{path}: class {number}: id {action_id} given twice, expected once")
        classes[action_id] = name[2]
    if not classes:
        raise ValueError(f"{path}: found no class, expected blocks like item {{ name: ... id: 1 }}")
    return classes


def write_detections(path: Path, detections: pd.DataFrame) -> None:
    """Write the columns of `read_detections` as csv; reading it back gives the same float64 values.

    Whole seconds are written as AVA does (`0902`), fractions as AVA-Kinetics does (`17.500000`).

    Raises:
        ValueError: a video id that would need quotes, which AVA files do not have.
    """
    columns = {
        name: pa.array(detections[name].to_numpy(), type=_ARROW[_TYPES[name]])
        for name in DETECTION_COLUMNS
    }
    columns["timestamp"] = pa.array(_written_timestamps(detections["timestamp"]))
    table = pa.table(columns)
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
    with written(path) as temporary:
        arrow_csv.write_csv(table, temporary, options)


def _written_timestamps(timestamps: pd.Series) -> list[str]:
    # A dataset repeats its few hundred keyframe times millions of times: format each one once.
    codes, values = pd.factorize(timestamps.to_numpy(dtype=np.float64))
    written_values = [f"{t:04.0f}" if float(t).is_integer() else f"{t:.6f}" for t in values]
    return [written_values[code] for code in codes]


def _read_boxes(path: Path, columns: list[str], missing_last: float) -> pd.DataFrame:
    table = _read_uniform(path, columns)
    if table is None:
        table = _read_row_by_row(path, columns, missing_last)
    last = columns[-1]
    if last not in table:
        table[last] = np.full(len(table), missing_last, _TYPES[last])
    _refuse_rows(path, table, ~np.isfinite(table["timestamp"]), "timestamp", "seconds")
    table.attrs["source"] = str(path)
    return table


def _read_uniform(path: Path, columns: list[str]) -> pd.DataFrame | None:
    """The fast way, for rows of one width and of two; None when the file needs a closer look."""
    width = next((len(row) for _, row in _rows(path) if len(row) != 2), 0)
    names = columns[:width]
    if width not in (len(columns) - 1, len(columns)):
        return None
    empty: list[tuple[int, str]] = []  # row number and text of the rows without people

    def keep_aside(row: arrow_csv.InvalidRow) -> str:
        empty.append((row.number, row.text))
        return "skip" if row.actual_columns == 2 and '"' not in row.text else "error"

    try:
        table = arrow_csv.read_csv(
            path,
            # One thread: only then a row knows its number.
            arrow_csv.ReadOptions(column_names=names, use_threads=False),
            arrow_csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=keep_aside),
            arrow_csv.ConvertOptions(
                column_types={name: _ARROW[_TYPES[name]] for name in names},
                null_values=[],
            ),
        )
        frame: pd.DataFrame = table.to_pandas()
        # An id 0 in a file would look like a row without a person.
        known = bool((frame["action_id"] > 0).all())
        return _with_empty_rows(frame, empty, columns[-1]) if known else None
    except ValueError:  # a mistake: read again to tell which, and where
        return None


def _with_empty_rows(frame: pd.DataFrame, empty: list[tuple[int, str]], last: str) -> pd.DataFrame:
    """Put rows of two columns back where they were; ValueError when one is no video and time."""
    if not empty:
        return frame
    pairs = [text.strip("\r\n").split(",") for _, text in empty]
    rows = pd.DataFrame(
        {
            "video_id": [video for video, _ in pairs],
            "timestamp": [float(t) for _, t in pairs],
        }
    ).astype({"video_id": "str"})
    rows = rows.assign(**dict.fromkeys(BOX, math.nan), action_id=0)
    if last in frame:
        rows = rows.assign(**{last: NO_PERSON_ID if last == "person_id" else 1.0})
    places = np.array([number for number, _ in empty]) - 1
    others = np.delete(np.arange(len(frame) + len(rows)), places)
    joined = pd.concat([frame, rows[list(frame.columns)]], ignore_index=True)
    order = np.empty(len(joined), np.int64)
    order[np.concatenate([others, places])] = np.arange(len(joined))
    return joined.iloc[order].reset_index(drop=True)


def _read_row_by_row(path: Path, columns: list[str], missing_last: float) -> pd.DataFrame:
    values: dict[str, list[object]] = {name: [] for name in columns}
    absent = dict.fromkeys(BOX, math.nan) | {"action_id": 0, columns[-1]: missing_last}
    for number, row in _rows(path):
        if len(row) not in (2, len(columns) - 1, len(columns)):
            expected = f"2, {len(columns) - 1} or {len(columns)}"
            raise _row_error(path, number, f"{len(row)} columns", expected)
        for position, name in enumerate(columns):
            given = position < len(row)
            value = _parsed(path, number, name, row[position]) if given else absent[name]
            values[name].append(value)
    return pd.DataFrame(values).astype({name: _TYPES[name] for name in columns})


def _parsed(path: Path, number: int, name: str, text: str) -> object:
    kind = _TYPES[name]
    try:
        value = _PARSERS[kind](text)
    except ValueError:
        raise _row_error(path, number, f"{name} {text!r}", _EXPECTED[kind]) from None
    if name == "action_id" and isinstance(value, int) and value < 1:
        raise _row_error(path, number, f"{name} {text!r}", "1 or more")
    if name == "timestamp" and isinstance(value, float) and not math.isfinite(value):
        raise _row_error(path, number, f"{name} {text!r}", "seconds")
    return value


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        yield from enumerate(csv.reader(file), start=1)


def _refuse_rows(path: Path, table: pd.DataFrame, bad: pd.Series, what: str, expected: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        columns = BOX if what == "box" else [what]
        found = ", ".join(f"{value:g}" for value in table.loc[row, columns])
        raise _row_error(path, row + 1, f"{what} {found}", expected)


def _row_error(path: Path, number: int, found: str, expected: str) -> ValueError:
    return ValueError(f"{path}: row {number}: found {found}, expected {expected}")
