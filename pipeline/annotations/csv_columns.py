"""Read the columns of a csv file without a header, millions of rows at a parser's speed.

Arrow reads the file. What it does not take is read again by Python's `csv`, `int` and `float`: to
take it after all ("1_0"), or to say in which row it stands.
"""

import codecs
import csv
import gzip
import io
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from pandas.api.types import union_categoricals

Column = npt.NDArray[np.generic] | pd.Categorical
Value = str | int | float

_ARROW = {
    "str": pa.dictionary(pa.int32(), pa.string()),
    "int64": pa.int64(),
    "float64": pa.float64(),
}
_PARSERS: dict[str, Callable[[str], Value]] = {"str": str, "int64": int, "float64": float}
_ARRAYS = {"str": "i", "int64": "q", "float64": "d"}  # the array module's letters; text by number
_EXPECTED = {"int64": "a whole number", "float64": "a number"}
_LARGEST = 2**63
_LONGEST_LINE = 2**20
_BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Layout:
    """Columns of a file, and what the columns that a row lacks hold instead.

    Attributes:
        types: column name to str, int64 or float64, in the file's order.
        absent: number of columns that a row may have, to the values of the columns it lacks.
        whole: float64 columns that must be written without a point.
    """

    types: Mapping[str, str]
    absent: Mapping[int, Mapping[str, Value]]
    whole: frozenset[str] = frozenset()

    def written_type(self, name: str) -> str:
        return "int64" if name in self.whole else self.types[name]

    def row(self, path: Path, number: int, cells: list[str]) -> list[Value]:
        """Return the values of one row; ValueError names what is wrong with it."""
        if len(cells) not in self.absent:
            *others, last = [str(width) for width in sorted(self.absent)]
            expected = f"{', '.join(others)} or {last}" if others else last
            raise row_error(path, number, f"{len(cells)} columns", expected)
        absent = self.absent[len(cells)]
        return [
            absent[name] if name in absent else self._parsed(path, number, name, cells[position])
            for position, name in enumerate(self.types)
        ]

    def _parsed(self, path: Path, number: int, name: str, text: str) -> Value:
        kind = self.written_type(name)
        if kind == "str":
            _refuse_unreadable(path, number, name, text)
            return text
        try:
            value = _PARSERS[kind](text)
        except ValueError:
            raise row_error(path, number, f"{name} {text!r}", _EXPECTED[kind]) from None
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            raise row_error(path, number, f"{name} {text!r}", "fewer digits")
        return value


def read_columns(path: Path, layout: Layout) -> dict[str, Column]:
    """Return the columns of a file in row order; text comes as categories.

    Raises:
        ValueError: the first row that does not parse, with file and row number.
    """
    return _read_fast(path, layout) or _read_slowly(path, layout)


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield row numbers from 1 and cells; the file may be compressed (`.gz`)."""
    number = 0
    with _open(path) as file:
        try:
            for number, cells in enumerate(csv.reader(_lines(file)), start=1):
                yield number, cells
        except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            # Such as a quote that is never closed, or a compressed file that was cut off.
            raise row_error(path, number + 1, str(error), "a row of csv") from None


def row_error(path: Path | str, number: int, found: str, expected: str) -> ValueError:
    return ValueError(f"{path}: row {number}: found {found}, expected {expected}")


def _lines(file: BinaryIO) -> Iterator[str]:
    """Yield the lines of a file; one that is longer than any row is refused before it is read."""
    # Bytes that are no text survive as surrogates, so that the row they stand in can be named.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(f"a line of {_LONGEST_LINE:,} characters or more")
        yield line


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    return open(path, "rb")


class _Utf8File(io.RawIOBase):
    """A file whose reading fails at bytes that are no text: Arrow would print a traceback."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self._decoder.decode(block)
        return block


def _refuse_unreadable(path: Path, number: int, name: str, text: str) -> None:
    surrogate = not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)
    if "\0" in text or surrogate:
        raise row_error(path, number, f"{name} {text!r}", "text")


def _read_fast(path: Path, layout: Layout) -> dict[str, Column] | None:
    """Return None when a closer look is needed: to take a row after all, or to name it."""
    try:
        with _open(path) as file:
            usual, odd_rows = _parse(file, layout)
        odd = [layout.row(path, number, next(csv.reader([row]))) for number, row in odd_rows]
    except (ValueError, OSError, EOFError, zlib.error):
        return None
    if not odd:
        return usual
    num_usual = len(next(iter(usual.values())))
    before = [number - position for position, (number, _) in enumerate(odd_rows, start=1)]
    order = np.insert(np.arange(num_usual), before, num_usual + np.arange(len(odd)))
    columns = zip(usual.items(), zip(*odd, strict=True), strict=True)
    return {name: _appended(column, others)[order] for (name, column), others in columns}


def _parse(file: BinaryIO, layout: Layout) -> tuple[dict[str, Column], list[tuple[int, str]]]:
    """Return the columns of the rows that have the usual width, and number and text of the others.

    Numbers go to arrays that grow in place: a table of the whole file would take its memory twice.
    """
    odd_rows: list[tuple[int, str]] = []

    def set_aside(row: arrow_csv.InvalidRow) -> str:
        odd_rows.append((row.number, row.text))
        return "skip"

    absent = layout.absent[_usual_width(file, layout)]
    names = [name for name in layout.types if name not in absent]
    types = {name: _ARROW[layout.written_type(name)] for name in names}
    # Arrow counts rows in a single thread only.
    read = arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=_BLOCK_BYTES)
    parse = arrow_csv.ParseOptions(
        ignore_empty_lines=False, newlines_in_values=True, invalid_row_handler=set_aside
    )
    convert = arrow_csv.ConvertOptions(column_types=types, null_values=[])
    texts: dict[str, list[pa.Array]] = {name: [] for name in names if layout.types[name] == "str"}
    numbers = {name: array(_ARRAYS[layout.types[name]]) for name in names if name not in texts}
    num_rows = 0
    for batch in arrow_csv.open_csv(_Utf8File(file), read, parse, convert):
        num_rows += len(batch)
        for name, values in zip(names, batch.columns, strict=True):
            if name in texts:
                texts[name].append(values)
            else:
                stored = values.to_numpy().astype(layout.types[name], copy=False)
                numbers[name].frombytes(stored.view(np.uint8).data)
    columns: dict[str, Column] = {}
    for name, kind in layout.types.items():
        if name in texts:
            columns[name] = _categories(texts[name])
        elif name in numbers:
            columns[name] = np.frombuffer(numbers[name], kind)
        else:
            columns[name] = np.full(num_rows, absent[name], kind)
    return columns, odd_rows


def _usual_width(file: BinaryIO, layout: Layout) -> int:
    """Return which allowed number of columns most rows at the start of a file have."""
    widths = Counter(line.count(b",") + 1 for line in file.read(_BLOCK_BYTES).splitlines())
    file.seek(0)
    return max(layout.absent, key=lambda width: widths[width])


def _categories(parts: list[pa.DictionaryArray]) -> pd.Categorical:
    texts = pa.chunked_array(parts, _ARROW["str"]).combine_chunks()
    if pc.any(pc.match_substring(texts.dictionary, "\0")).as_py():
        raise ValueError("text that needs a closer look")
    return pd.Categorical.from_codes(
        texts.indices.to_numpy(), pd.Index(texts.dictionary, dtype="str")
    )


def _appended(column: Column, others: Sequence[Value]) -> Column:
    if isinstance(column, pd.Categorical):
        more = pd.Categorical(pd.Index(list(others), dtype="str"))
        return union_categoricals([column, more])
    return np.append(column, others)


def _read_slowly(path: Path, layout: Layout) -> dict[str, Column]:
    values = [layout.row(path, number, cells) for number, cells in rows(path)]
    columns: dict[str, Column] = {}
    for position, (name, kind) in enumerate(layout.types.items()):
        column = [row[position] for row in values]
        is_text = kind == "str"
        columns[name] = (
            pd.Categorical(pd.Index(column, dtype="str")) if is_text else np.array(column, kind)
        )
    return columns
