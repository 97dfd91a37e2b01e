"""Read the detections that the evaluate stage writes as parquet, and files like it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.annotations.ava_csv import BOX, DETECTION_COLUMNS
from pipeline.annotations.csv_columns import row_error

_KINDS = {
    "video_id": "str",
    "action_id": "int64",
    **dict.fromkeys(["timestamp", *BOX, "score"], "float64"),
}


def read_detections_parquet(path: Path, split: str | None = None) -> pd.DataFrame:
    """Read the table of `ava_csv.read_detections`; numbers are widened to float64 exactly.

    Args:
        split: which rows to read, where the file has a column `split`; a file of a single split
            needs no name.

    Raises:
        ValueError: no parquet, a column is missing or of another type, a value is missing, or the
            split is not named or not there.
    """
    try:
        file = pq.ParquetFile(path, read_dictionary=["video_id"])
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: found {str(error).splitlines()[0]}, expected parquet") from None
    names = file.schema_arrow.names
    missing = [name for name in DETECTION_COLUMNS if name not in names]
    if missing:
        raise ValueError(f"{path}: found columns {names}, expected {missing} too")
    table = file.read(columns=DETECTION_COLUMNS)
    columns = {name: _column(path, name, table.column(name)) for name in DETECTION_COLUMNS}
    found = pd.DataFrame(columns, copy=False)
    if "split" in names:
        of_split = file.read(columns=["split"]).column("split").to_pandas()
        found = found[of_split == _chosen_split(path, of_split, split)]
    elif split is not None:
        raise ValueError(f"{path}: found no column 'split', expected rows of {split!r}")
    found.attrs["source"] = str(path)
    return found


def _column(path: Path, name: str, column: pa.ChunkedArray) -> pd.Series:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise row_error(path, row + 1, f"no {name}", "a value")
    kind = _KINDS[name]
    if kind == "str":
        text: pd.Series = column.to_pandas().astype("category")
        return text
    is_number = pa.types.is_integer(column.type) or (
        kind == "float64" and pa.types.is_floating(column.type)
    )
    if not is_number:
        raise ValueError(f"{path}: found {name} of type {column.type}, expected {kind}")
    return pd.Series(column.to_numpy().astype(kind, copy=False))


def _chosen_split(path: Path, of_split: pd.Series, split: str | None) -> str:
    known = sorted(of_split.unique())
    if split is None and len(known) > 1:
        raise ValueError(
            f"{path}: found splits {known}, expected one of them to be named (--split)"
        )
    if split is not None and split not in known:
        raise ValueError(f"{path}: found splits {known}, expected {split!r}")
    return split if split is not None else "".join(known)
