"""Read what the stages before left, and trust none of it: files may be edited, cut off or mixed up.

A mistake is one line that names the file and the way out.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from pipeline.annotations import coverage as coverage_csv
from pipeline.evaluation.metrics import MAIN_PROTOCOL

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Model = TypeVar("Model", bound=BaseModel)

WAY_OUT = "delete it and run the same command again"
_INDEX = {
    "video_id": pa.string(),
    "timestamp": pa.float64(),
    "clip": pa.string(),
    "frame": pa.int32(),
    "boxes": pa.list_(pa.float64()),
    "labels": pa.list_(pa.list_(pa.int16())),
}
_HISTORY = {"epoch": "int64", "split": "str", "loss": "float64", "learning_rate": "float64"}
_HISTORY |= {"mAP": "float64"}
_PER_CLASS = {"split": "str", "protocol": "str", "action_id": "int64", "action": "str"}
_PER_CLASS |= {"num_ground_truth": "int64", "AP": "float64"}


class _Checked(BaseModel):
    # Later versions may write more; what is shown must be there and be a number.
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class _Counts(_Checked):
    keyframes: Count
    ground_truth_boxes: Count


class _Measured(_Checked):
    mAP: Share | None  # noqa: N815  the name the field uses
    interval: tuple[Share, Share] | None
    counts: _Counts
    num_videos: Count
    num_actions: Count


class _Coverage(_Checked):
    mAP: Share | None  # noqa: N815
    mAP_all_ground_truth: Share | None  # noqa: N815
    num_keyframes: Count
    num_keyframes_all_ground_truth: Count


class _Metrics(_Checked):
    mAP: Share | None  # noqa: N815
    split: str
    num_keyframes: Count
    num_videos: Count
    coverage: dict[str, _Coverage]
    protocols: dict[str, dict[str, _Measured]]


class _Group(_Checked):
    by: str
    group: str
    mAP: Share | None  # noqa: N815
    num_actions: Count
    num_ground_truth: Count


class _Perfect(_Checked):
    mAP: Share | None  # noqa: N815
    people: Count
    people_hit: Count
    people_seen: Count
    boxes: Count
    boxes_unmatched: Count


class _Confused(_Checked):
    action: str
    taken_for: str
    people: Count
    share: Share


class _Errors(_Checked):
    mAP: Share | None  # noqa: N815
    groups: list[_Group]
    perfect_boxes: _Perfect
    confused: list[_Confused]


class _AllErrors(RootModel[dict[str, _Errors]]):
    pass


def read_metrics(path: Path) -> dict[str, Any]:
    """Return a variant's metrics.json, which names its own split and protocol."""
    metrics = _read_json(path, _Metrics)
    for split in (metrics["split"], *metrics["protocols"]):
        if MAIN_PROTOCOL not in metrics["protocols"].get(split, {}):
            raise _odd(path, f"no protocol {MAIN_PROTOCOL!r} of split {split!r}", "one")
        if split not in metrics["coverage"]:
            raise _odd(path, f"no coverage of split {split!r}", "one")
    return metrics


def read_errors(path: Path, splits: Iterable[str]) -> dict[str, Any]:
    """Return a variant's errors.json, which has these splits."""
    errors = _read_json(path, _AllErrors)
    if missing := [split for split in splits if split not in errors]:
        raise _odd(path, f"splits {list(errors)}", f"{missing} too")
    return errors


def read_history(path: Path) -> pd.DataFrame:
    return _read_csv(path, _HISTORY)


def read_per_class(path: Path) -> pd.DataFrame:
    return _read_csv(path, _PER_CLASS)


def read_coverage(path: Path) -> pd.DataFrame:
    numbers = dict.fromkeys(("keyframes", "boxes"), "int64")
    types = {name: numbers.get(name, "str") for name in coverage_csv.COLUMNS}
    return _read_csv(path, types, keep_default_na=False)


def read_keyframes(path: Path) -> pd.DataFrame:
    """Return the columns of an index file that the report shows."""
    try:
        table = pq.read_table(path)
        if wrong := [name for name in _INDEX if table.column_names.count(name) != 1]:
            raise ValueError(f"columns {table.column_names}, expected {wrong} once")
        keyframes: pd.DataFrame = table.select(list(_INDEX)).cast(pa.schema(_INDEX)).to_pandas()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise _odd(path, " ".join(str(error).split())[:200], "an index of keyframes") from None
    return keyframes


def _read_json(path: Path, model: type[Model]) -> dict[str, Any]:
    try:
        values: dict[str, Any] = model.model_validate_json(path.read_bytes()).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        found = repr(first["input"])[:80]
        raise _odd(path, f"{where} {found}", " ".join(first["msg"].split())[:120]) from None
    return values


def _read_csv(path: Path, types: Mapping[str, str], **how: Any) -> pd.DataFrame:
    try:
        header = pd.read_csv(path, nrows=0).columns.tolist()
        if header != list(types):
            raise ValueError(f"columns {header}, expected {list(types)}")
        table: pd.DataFrame = pd.read_csv(path, dtype=dict(types), **how)
    except (ValueError, OverflowError) as error:
        raise _odd(path, " ".join(str(error).split())[:200], f"columns {list(types)}") from None
    return table


def _odd(path: Path, found: str, expected: str) -> ValueError:
    return ValueError(f"{path}: found {found}, expected {expected}: {WAY_OUT}")
