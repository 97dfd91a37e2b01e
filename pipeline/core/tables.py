"""Tables: csv files with checked columns, and columns of texts without a Python object for each."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.core.atomic import written

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Texts: TypeAlias = "pd.Series[str] | pd.Index[str]"

# Imported where they are needed: jobs with little to do read csv tables, and need none of them.


def read_table(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a csv file, each as column to text.

    Raises:
        ValueError: other columns than `columns`, or a row of another length.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        found = next(rows, [])
        if found != list(columns):
            raise ValueError(f"{path}: found columns {found}, expected {list(columns)}")
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(
                    f"{path}: line {rows.line_num}: found {len(row)} values, "
                    f"expected {len(columns)}"
                )
            yield dict(zip(columns, row, strict=True))


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
