"""Tables: csv files with checked columns, and columns of texts without a Python object for each."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.core.atomic import written

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    Texts: TypeAlias = "pd.Series[str] | pd.Index[str]"

# Imported where they are needed: jobs with little to do read csv tables, and need none of them.


# What to do about a damaged file of our own.
MAKE_ANEW = "delete it and run again, it is made anew"


def read_table(
    path: Path, columns: Sequence[str] | Mapping[str, type], exact: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a csv file of our own, each as column to value.

    Args:
        path: the file.
        columns: their names; or name to type: str, int or float.
        exact: whether there are to be no others, which come along as texts.

    Raises:
        ValueError: other columns, a row of another length, or a value of another type.
    """
    kinds = columns if isinstance(columns, Mapping) else dict.fromkeys(columns, str)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        try:
            found = next(rows, [])
            once = len(set(found)) == len(found) and kinds.keys() <= set(found)
            if not once or (exact and found != list(kinds)):
                raise ValueError(f"found columns {str(found)[:200]}, expected {list(kinds)}")
            kinds = {name: kinds.get(name, str) for name in found}
            for row in rows:
                if len(row) != len(found):
                    raise ValueError(f"found {len(row)} values, expected {len(found)}")
                pairs = zip(kinds.items(), row, strict=True)
                yield {name: _typed(name, kind, text) for (name, kind), text in pairs}
        except (ValueError, csv.Error) as error:  # also bytes that are no UTF-8
            line = f"line {rows.line_num}: " if rows.line_num > 1 else ""
            raise ValueError(f"{path}: {line}{error}; {MAKE_ANEW}") from None


def _typed(name: str, kind: type, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"found {text[:80]!r} as {name}, expected a number") from None


def read_parquet(path: Path, schema: "pa.Schema") -> "pa.Table":
    """Read a parquet file of our own: the columns of a schema, without missing values.

    Raises:
        ValueError: not such a file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow
            if missing := [name for name in schema.names if found.get_field_index(name) < 0]:
                raise ValueError(f"found columns {str(found.names)[:200]}, expected also {missing}")
            table = file.read(schema.names).cast(schema)
        table.validate(full=True)
        if absent := [name for name in schema.names if table[name].null_count]:
            raise ValueError(f"found missing values in {absent}, expected none")
    except FileNotFoundError:
        raise
    except (pa.ArrowException, LookupError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{path}: {reason}; {MAKE_ANEW}") from None
    return table


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a csv file that is there whole or not at all; equal rows give equal bytes."""
    with written(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def positions(texts: "Texts", among: "Texts") -> "npt.NDArray[np.int64]":
    """Return [texts] the index of each in `among`, -1 where absent; of equal ones the first."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    # An empty table may hold its texts as anything.
    values, among_values = (pa.array(each.astype("str"), pa.string()) for each in (texts, among))
    found = pc.index_in(values, value_set=among_values)
    numbers: npt.NDArray[np.int64] = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return numbers


def spelled_out(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Return texts as texts, also where they come as categories.

    pandas itself would make a Python object of each.
    """
    import pandas as pd

    if not isinstance(texts.dtype, pd.CategoricalDtype):
        return texts.astype("str")
    categories = texts.cat.categories.astype("str").array
    return pd.Series(categories.take(texts.cat.codes.to_numpy()), texts.index, name=texts.name)


def joined_ranges(first: "npt.NDArray[Any]", counts: "npt.NDArray[Any]") -> "npt.NDArray[np.int64]":
    """Return [sum of counts] the rows of several ranges, one range after the other.

    Args:
        first: [ranges] the row that each range starts with.
        counts: [ranges] how many rows each has.
    """
    import numpy as np

    before = np.cumsum(counts) - counts
    joined: npt.NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(first - before, counts)
    return joined
