"""Read and write the AVA csv formats: ground truth, detections, excluded timestamps.

A ground truth row is `video_id,timestamp,x1,y1,x2,y2,action_id[,person_id]`, a detection row has
the score in the eighth place (1.0 when it is left out), and a row of two columns is an annotated
keyframe without persons. Boxes are fractions of width and height. There is no header and no blank
line.

Every table keeps the file's row order and a plain 0, 1, 2... index, so that row number = index + 1
survives filtering, and names its file in `attrs["source"]`: a later check can still say where. The
columns are read by `csv_columns`.

Source: https://research.google.com/ava/download.html and ActivityNet's `get_ava_performance.py`.
"""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from pipeline.annotations.csv_columns import Layout, Value, read_columns, row_error
from pipeline.core.atomic import written
from pipeline.core.tables import spelled_out

BOX = ["x1", "y1", "x2", "y2"]
GROUND_TRUTH_COLUMNS = ["video_id", "timestamp", *BOX, "action_id", "person_id"]
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
_WRITTEN = {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
_NO_ACTION = np.iinfo(np.int64).min  # of a row of two columns, until written ids are checked
_LATEST_SECONDS = 1e9  # a longer film has no microseconds in float64


def read_ground_truth(path: Path, whole_seconds_with_people_only: bool = False) -> pd.DataFrame:
    """Read the ground truth of an AVA or AVA-Kinetics split; a file may be compressed (.gz).

    Args:
        whole_seconds_with_people_only: refuse timestamps with a point and rows of two columns, as
            some evaluators do.

    Returns:
        video_id (str), timestamp (float64, seconds), x1, y1, x2, y2 (float64 fractions, NaN on a
        row without a person), action_id (int64, 0 there), person_id (int64, -1 when absent).

    Raises:
        ValueError: the first row that does not parse, with file and row number.
    """
    table = _read_boxes(path, GROUND_TRUTH_COLUMNS, NO_PERSON_ID, whole_seconds_with_people_only)
    people = table["action_id"] != 0
    coordinates = table[BOX].to_numpy()
    # NaN marks a row without a person, so a written "nan" must not pass for one.
    bad = people & ~np.isfinite(coordinates).all(axis=1)
    _refuse_rows(path, table, bad.to_numpy(), BOX, "finite numbers")
    return table.assign(video_id=spelled_out(table["video_id"]))


def read_detections(path: Path, whole_seconds_with_people_only: bool = False) -> pd.DataFrame:
    """Read detections: timestamp, x1, y1, x2, y2, action_id, score as in `read_ground_truth`.

    The video_id comes as categories: a file repeats a few ids millions of times. Rows of two
    columns carry no detection and are left out; `attrs["rows_without_box"]` counts them. Boxes and
    scores may be NaN or lie outside [0, 1]: the protocol decides what they count.

    Raises:
        ValueError: the first row that does not parse, with file and row number.
    """
    table = _read_boxes(path, DETECTION_COLUMNS, 1.0, whole_seconds_with_people_only)
    detected = (table["action_id"] != 0).to_numpy()
    table.attrs["rows_without_box"] = int((~detected).sum())
    return table if detected.all() else table[detected]


def read_exclusions(path: Path | None, whole_seconds: bool = False) -> pd.DataFrame:
    """Read the keyframes that do not count: video_id, timestamp; empty without a path."""
    types = {name: _TYPES[name] for name in ("video_id", "timestamp")}
    if path is None:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})
    layout = Layout(types, {2: {}}, frozenset(["timestamp"] if whole_seconds else []))
    table = pd.DataFrame(read_columns(path, layout))
    _refuse_timestamps(path, table)
    return table.assign(video_id=spelled_out(table["video_id"]))


def write_detections(path: Path, detections: pd.DataFrame) -> None:
    """Write the columns of `read_detections` as csv; reading it back gives the same float64 values.

    Whole seconds are written as AVA does (`0902`), fractions as AVA-Kinetics does (`17.500000`).

    Raises:
        ValueError: a video id that would need quotes, which AVA files do not have.
    """
    columns = {
        name: pa.array(detections[name].to_numpy(), type=_WRITTEN[_TYPES[name]])
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


def _read_boxes(path: Path, columns: list[str], missing_last: float, strict: bool) -> pd.DataFrame:
    last = columns[-1]
    absent: dict[int, dict[str, Value]] = {len(columns): {}, len(columns) - 1: {last: missing_last}}
    if not strict:
        no_box: dict[str, Value] = dict.fromkeys(BOX, math.nan)
        absent[2] = {**no_box, "action_id": _NO_ACTION, last: missing_last}
    types = {name: _TYPES[name] for name in columns}
    layout = Layout(types, absent, frozenset(["timestamp"] if strict else []))
    # Without `copy` pandas would gather the columns into one block: twice the memory.
    table = pd.DataFrame(read_columns(path, layout), copy=False)
    _refuse_timestamps(path, table)
    action = table["action_id"].to_numpy()
    empty = action == _NO_ACTION
    _refuse_rows(path, table, (action < 1) & ~empty, ["action_id"], "1 or more")
    if empty.any():
        table["action_id"] = np.where(empty, 0, action)
    table.attrs["source"] = str(path)
    return table


def _refuse_timestamps(path: Path, table: pd.DataFrame) -> None:
    bad = ~(table["timestamp"].abs().to_numpy() < _LATEST_SECONDS)
    _refuse_rows(path, table, bad, ["timestamp"], "seconds")


def _refuse_rows(
    path: Path, table: pd.DataFrame, bad: npt.NDArray[np.bool_], columns: list[str], expected: str
) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        what = "box" if columns == BOX else columns[0]
        found = ", ".join(f"{value:g}" for value in table.loc[row, columns])
        raise row_error(path, row + 1, f"{what} {found}", expected)
