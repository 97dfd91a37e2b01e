"""Read the detections that the evaluate stage writes as parquet, and files like it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.annotations.ava_csv import BOX, DETECTION_COLUMNS, LATEST_SECONDS
from pipeline.annotations.csv_columns import composed, row_error

_RANGES = {
    "action_id": (1, 2**62, "1 or more"),
    "timestamp": (-LATEST_SECONDS, LATEST_SECONDS, "seconds"),
}
_KINDS = {
    "video_id": "str",
    "split": "str",
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
        names = pq.read_schema(path).names
        wanted = [*DETECTION_COLUMNS, *(["split"] if "split" in names else [])]
        if wrong := [name for name in wanted if names.count(name) != 1]:
            raise ValueError(f"found columns {names}, expected {wrong} once")
        texts = [name for name in ("video_id", "split") if name in names]
        table = pq.ParquetFile(path, read_dictionary=texts).read(columns=wanted)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{path}: {reason}, expected parquet of detections") from None
    columns = {name: _column(path, name, table.column(name)) for name in DETECTION_COLUMNS}
    found = pd.DataFrame(columns, copy=False)
    if "split" in names:
        of_split = _column(path, "split", table.column("split"))
        found = found[(of_split == _chosen_split(path, of_split, split)).to_numpy()]
    elif split is not None:
        raise ValueError(f"{path}: found no column 'split', expected rows of {split!r}")
    found.attrs["source"] = str(path)
    return found


def _column(path: Path, name: str, column: pa.ChunkedArray) -> pd.Series:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise row_error(path, row + 1, f"no {name}", "a value")
    kind = _KINDS[name]
    values = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if kind == "str":
        if not (pa.types.is_string(values) or pa.types.is_large_string(values)):
            raise ValueError(f"{path}: found {name} of type {column.type}, expected text")
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        text: pd.Series = encoded.unify_dictionaries().combine_chunks().to_pandas()
        return pd.Series(composed(text.array))
    is_number = pa.types.is_integer(column.type) or (
        kind == "float64" and pa.types.is_floating(column.type)
    )
    if not is_number:
        raise ValueError(f"{path}: found {name} of type {column.type}, expected {kind}")
    numbers = column.to_numpy().astype(kind, copy=False)
    if name in _RANGES:
        lowest, highest, expected = _RANGES[name]
        bad = np.flatnonzero(~((numbers >= lowest) & (numbers < highest)))
        if len(bad):
            raise row_error(path, int(bad[0]) + 1, f"{name} {numbers[bad[0]]:g}", expected)
    return pd.Series(numbers)


def _chosen_split(path: Path, of_split: pd.Series, split: str | None) -> str:
    known = sorted(map(str, of_split.unique()))
    if split is None and len(known) > 1:
        raise ValueError(
            f"{path}: found splits {known}, expected one of them to be named (--split)"
        )
    if split is not None and split not in known:
        raise ValueError(f"{path}: found splits {known}, expected {split!r}")
    return split if split is not None else "".join(known)
