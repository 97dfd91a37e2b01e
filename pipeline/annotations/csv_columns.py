"""Read the columns of a csv file without a header, millions of rows at a parser's speed.

Values are taken as Python's `int` and `float` take them, which is what the field's evaluators use.
Whatever the fast parser does not take is read again slowly: to take it after all (" 0.5", "1_0"),
or to say in which row it stands.
"""

import csv
import gzip
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

Column = npt.NDArray[np.generic] | pd.Categorical
Value = str | int | float

_ARROW = {
    "str": pa.dictionary(pa.int32(), pa.string()),
    "int64": pa.int64(),
    "float64": pa.float64(),
}
_PARSERS: dict[str, Callable[[str], Value]] = {"str": str, "int64": int, "float64": float}
_STORED = {"str": "int32", "int64": "int64", "float64": "float64"}  # text by its number
_ARRAYS = {"str": "i", "int64": "q", "float64": "d"}  # the same for the array module
_RESERVED_ROWS = 2**24
_EXPECTED = {"int64": "a whole number", "float64": "a number"}
_LARGEST = 2**63
_LONGEST_LINE = 2**20


@dataclass(frozen=True)
class Layout:
    """What a row of a file looks like.

    Row widths that are allowed map to what the columns they lack hold instead.
    """

    types: Mapping[str, str]  # column name to str, int64 or float64, in the file's order
    absent: Mapping[int, Mapping[str, Value]]  # row width to the values of the other columns
    whole: frozenset[str] = frozenset()  # float64 columns that must be written without a point

    def kind(self, name: str) -> str:
        return "int64" if name in self.whole else self.types[name]

    def row(self, path: Path, number: int, cells: list[str]) -> list[Value]:
        """The values of one row; ValueError names what is wrong with it."""
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
        kind = self.kind(name)
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
    """The columns of a file in row order; text comes as categories.

    Raises:
        ValueError: the first row that does not parse, with file and row number.
    """
    return _read_fast(path, layout) or _read_slowly(path, layout)


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Row numbers from 1 and cells; the file may be compressed (`.gz`)."""
    number = 0
    with _open_text(path) as file:
        try:
            for number, cells in enumerate(csv.reader(_lines(file)), start=1):
                yield number, cells
        except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            # Such as a quote that is never closed, or a compressed file that was cut off.
            raise row_error(path, number + 1, str(error), "a row of csv") from None


def row_error(path: Path | str, number: int, found: str, expected: str) -> ValueError:
    return ValueError(f"{path}: row {number}: found {found}, expected {expected}")


def _lines(file: TextIO) -> Iterator[str]:
    """The lines of a file; one that is longer than any row can be is refused before it is read."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(f"a line of {_LONGEST_LINE:,} characters or more")
        yield line


def _open_text(path: Path) -> TextIO:
    # Bytes that are no text survive as surrogates, so that the row they stand in can be named.
    options = {"newline": "", "encoding": "utf-8-sig", "errors": "surrogateescape"}
    if Path(path).suffix == ".gz":
        return gzip.open(path, "rt", **options)  # type: ignore[call-overload, no-any-return]
    return open(path, **options)  # type: ignore[call-overload, no-any-return]


def _refuse_unreadable(path: Path, number: int, name: str, text: str) -> None:
    surrogate = not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)
    if "\0" in text or surrogate:
        raise row_error(path, number, f"{name} {text!r}", "text")


def _read_fast(path: Path, layout: Layout) -> dict[str, Column] | None:
    """For files with a usual width of row and few others; None when a closer look is needed."""
    width = next((len(cells) for _, cells in rows(path) if len(cells) != 2), 0)
    if width not in layout.absent:
        return None
    names = [name for name in layout.types if name not in layout.absent[width]]
    odd: list[tuple[int, str]] = []  # row number and text of the rows of another width

    def keep_aside(row: arrow_csv.InvalidRow) -> str:
        odd.append((row.number, row.text))
        return "skip" if row.actual_columns in layout.absent and '"' not in row.text else "error"

    try:
        batches = arrow_csv.open_csv(
            path,
            # One thread: only then a row knows its number.
            arrow_csv.ReadOptions(column_names=names, use_threads=False),
            arrow_csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=keep_aside),
            _conversion(layout, names),
        )
        columns = _gathered(batches, layout, names)
        parsed = _parsed_aside(path, layout, odd)
    except (ValueError, OSError):  # a mistake: read again to tell which, and where
        return None
    for name, value in layout.absent[width].items():
        columns[name] = np.full(len(columns[names[0]]), value, layout.types[name])
    columns = {name: columns[name] for name in layout.types}
    return _with_odd_rows(columns, [number for number, _ in odd], parsed) if odd else columns


def _parsed_aside(path: Path, layout: Layout, odd: list[tuple[int, str]]) -> list[Sequence[Value]]:
    """The columns of the rows kept aside; most often there are thousands, all of one width."""
    lines = [text.strip("\r\n") for _, text in odd]
    width, *others = {line.count(",") + 1 for line in lines} or {0}
    if others or not odd:
        numbered = zip((number for number, _ in odd), lines, strict=True)
        parsed = [layout.row(path, number, line.split(",")) for number, line in numbered]
        return list(zip(*parsed, strict=True))
    absent = layout.absent[width]
    names = [name for name in layout.types if name not in absent]
    table = arrow_csv.read_csv(
        pa.BufferReader("\n".join(lines).encode()),
        arrow_csv.ReadOptions(column_names=names, use_threads=False),
        arrow_csv.ParseOptions(ignore_empty_lines=False),
        _conversion(layout, names),
    )
    columns = {name: table.column(name).to_pylist() for name in names}
    if len(table) != len(odd) or any("\0" in line for line in lines):
        raise ValueError("rows that need a closer look")
    return [columns.get(name) or [absent[name]] * len(odd) for name in layout.types]


def _conversion(layout: Layout, names: list[str]) -> arrow_csv.ConvertOptions:
    types = {name: _ARROW[layout.kind(name)] for name in names}
    return arrow_csv.ConvertOptions(column_types=types, null_values=[])


def _gathered(
    batches: arrow_csv.CSVStreamingReader, layout: Layout, names: list[str]
) -> dict[str, Column]:
    """One array per column; holds the file's numbers once, not a second time to join them."""
    gathered = {name: _Growing(_STORED[layout.types[name]]) for name in names}
    texts: dict[str, int] = {}
    for batch in batches:
        for name in names:
            part = batch.column(name)
            if layout.types[name] == "str":
                codes = [texts.setdefault(text, len(texts)) for text in part.dictionary.to_pylist()]
                gathered[name].append(np.array(codes, np.int32)[part.indices.to_numpy()])
            else:
                gathered[name].append(part.to_numpy())
    if any("\0" in text for text in texts):
        raise ValueError("a NUL in a text")
    return {name: _column(layout.types[name], gathered[name].values(), texts) for name in names}


class _Growing:
    """An array that is appended to. Memory that is only reserved costs none."""

    def __init__(self, stored: str) -> None:
        self._values = np.empty(_RESERVED_ROWS, stored)
        self._length = 0

    def append(self, part: npt.NDArray[np.generic]) -> None:
        end = self._length + len(part)
        if end > len(self._values):
            larger = np.empty(4 * end, self._values.dtype)
            larger[: self._length] = self.values()
            self._values = larger
        self._values[self._length : end] = part
        self._length = end

    def values(self) -> npt.NDArray[np.generic]:
        return self._values[: self._length]


def _column(kind: str, values: npt.ArrayLike, texts: Mapping[str, int]) -> Column:
    stored = np.asarray(values, dtype=_STORED[kind])
    if kind != "str":
        return stored
    return pd.Categorical.from_codes(stored.astype(np.int32), pd.Index(texts, dtype=object))


def _with_odd_rows(
    columns: dict[str, Column], numbers: list[int], parsed: list[Sequence[Value]]
) -> dict[str, Column]:
    """Put the rows that were kept aside back where they stood."""
    places = np.array(numbers) - 1
    usual = np.delete(np.arange(len(columns["timestamp"]) + len(places)), places)
    joined: dict[str, Column] = {}
    for values, (name, column) in zip(parsed, columns.items(), strict=True):
        texts: dict[str, int] = {}
        stored = column
        if isinstance(column, pd.Categorical):
            texts = {str(text): code for code, text in enumerate(column.categories)}
            values = [texts.setdefault(str(text), len(texts)) for text in values]
            stored = column.codes
        whole = np.empty(len(usual) + len(places), str(stored.dtype))
        whole[usual], whole[places] = stored, values
        joined[name] = _column("str" if texts else str(column.dtype), whole, texts)
    return joined


def _read_slowly(path: Path, layout: Layout) -> dict[str, Column]:
    texts: dict[str, int] = {}
    values = {name: array(_ARRAYS[kind]) for name, kind in layout.types.items()}
    for number, cells in rows(path):
        for name, value in zip(layout.types, layout.row(path, number, cells), strict=True):
            if isinstance(value, str):
                value = texts.setdefault(value, len(texts))
            values[name].append(value)  # type: ignore[arg-type]
    return {name: _column(kind, values[name], texts) for name, kind in layout.types.items()}
