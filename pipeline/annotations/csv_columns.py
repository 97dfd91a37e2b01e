"""Read the columns of a csv file without a header, millions of rows at a parser's speed.

Values are taken as Python's `int` and `float` take them, which is what the field's evaluators use.
Whatever the fast parser does not take is read again slowly: to take it after all (" 0.5", "1_0"),
or to say in which row it stands.
"""

import csv
import gzip
import zlib
from array import array
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
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
_BLOCK = 2**20


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
    """Return the columns of a file in row order; text comes as categories.

    Raises:
        ValueError: the first row that does not parse, with file and row number.
    """
    return _read_fast(path, layout) or _read_slowly(path, layout)


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield row numbers from 1 and cells; the file may be compressed (`.gz`)."""
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
    """None when a closer look is needed: to take a row after all, or to say what is wrong."""
    gathered = {name: _Growing(_STORED[kind]) for name, kind in layout.types.items()}
    texts = _Texts()
    try:
        for block in _blocks(path):
            for name, values in _parsed_block(block, layout, texts).items():
                gathered[name].append(values)
    except (ValueError, OSError, EOFError, zlib.error):
        return None
    return {
        name: texts.at(column.values()) if layout.types[name] == "str" else column.values()
        for name, column in gathered.items()
    }


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield whole lines, a megabyte at a time or one line more, each with its end."""
    with gzip.open(path) if Path(path).suffix == ".gz" else open(path, "rb") as file:
        rest = file.read(len(BOM_UTF8)).removeprefix(BOM_UTF8)
        while read := file.read(_BLOCK):
            whole, end, rest = (rest + read).rpartition(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise ValueError("a line that never ends")
            yield whole + end
        if rest:
            yield rest + b"\n"


def _parsed_block(
    block: bytes, layout: Layout, texts: "_Texts"
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the columns of some lines; text by its number in `texts`, which grows.

    The lines of each width are parsed together and put where they stood.
    """
    symbols = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(symbols == ord("\n"))
    lengths = np.diff(ends, prepend=-1)
    commas = np.searchsorted(np.flatnonzero(symbols == ord(",")), ends)
    widths = np.diff(commas, prepend=0) + 1
    if b"\0" in block or lengths.max(initial=0) > _LONGEST_LINE:
        raise ValueError("lines that need a closer look")
    columns = {name: np.empty(len(ends), _STORED[kind]) for name, kind in layout.types.items()}
    for width in np.flatnonzero(np.bincount(widths)).tolist():
        rows = widths == width
        lines = block if rows.all() else symbols[np.repeat(rows, lengths)].tobytes()
        values = _parsed_lines(lines, layout, width, texts)
        for name, column in columns.items():
            column[rows] = values[name]
    return columns


def _parsed_lines(
    lines: bytes, layout: Layout, width: int, texts: "_Texts"
) -> Mapping[str, npt.ArrayLike]:
    """Return the columns of lines of one width, and the one value of each that they lack."""
    if width not in layout.absent or lines.startswith(BOM_UTF8):
        raise ValueError("lines that need a closer look")
    names = [name for name in layout.types if name not in layout.absent[width]]
    types = {name: _ARROW[layout.kind(name)] for name in names}
    table = arrow_csv.read_csv(
        pa.BufferReader(lines),
        arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(lines) + 1),
        arrow_csv.ParseOptions(ignore_empty_lines=False),
        arrow_csv.ConvertOptions(column_types=types, null_values=[]),
    )
    if len(table) != lines.count(b"\n"):
        raise ValueError("values with line breaks")
    values: dict[str, npt.ArrayLike] = dict(layout.absent[width])
    for name in names:
        column = table.column(name).combine_chunks()
        values[name] = texts.add(column) if layout.types[name] == "str" else column.to_numpy()
    return values


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


class _Texts:
    """Numbers texts in the order they come; which of them are equal is asked once, at the end."""

    def __init__(self) -> None:
        self._parts: list[pa.Array] = []
        self._length = 0

    def add(self, column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
        numbers: npt.NDArray[np.int32] = column.indices.to_numpy() + np.int32(self._length)
        self._parts.append(column.dictionary)
        self._length += len(column.dictionary)
        return numbers

    def at(self, numbers: npt.NDArray[np.generic]) -> pd.Categorical:
        """Return the texts of these numbers."""
        texts = pa.chunked_array(self._parts, pa.string()).combine_chunks().dictionary_encode()
        return pd.Categorical.from_codes(
            texts.indices.to_numpy()[numbers], pd.Index(texts.dictionary, dtype="str")
        )


def _read_slowly(path: Path, layout: Layout) -> dict[str, Column]:
    texts: dict[str, int] = {}
    values = {name: array(_ARRAYS[kind]) for name, kind in layout.types.items()}
    for number, cells in rows(path):
        for name, value in zip(layout.types, layout.row(path, number, cells), strict=True):
            if isinstance(value, str):
                value = texts.setdefault(value, len(texts))
            values[name].append(value)  # type: ignore[arg-type]
    columns: dict[str, Column] = {}
    for name, kind in layout.types.items():
        stored = np.array(values[name], _STORED[kind])
        names = pd.Index(texts, dtype="str")
        columns[name] = pd.Categorical.from_codes(stored, names) if kind == "str" else stored
    return columns
