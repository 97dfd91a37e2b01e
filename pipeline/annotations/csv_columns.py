"""Read the columns of a csv file without a header, millions of rows at a parser's speed.

Arrow reads the file. What it does not take is read again by Python's `csv`, `int` and `float`: to
take it after all ("1_0"), or to say in which row it stands.
"""

import csv
import gzip
import io
import zlib
from array import array
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from unicodedata import normalize

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
_ARRAYS = {"str": "i", "int64": "q", "float64": "d"}  # the array module's letters; text by number
_EXPECTED = {"int64": "a whole number", "float64": "a number"}
_LARGEST = 2**63
_LONGEST_LINE = 2**20
_BLOCK_BYTES = 2**20
_SAMPLE_BYTES = 2**14


@dataclass(frozen=True)
class Layout:
    """Columns of a file, and what the columns that a row lacks hold instead.

    Attributes:
        types: column name to str, int64 or float64, in the file's order.
        absent: number of columns that a row may have, to the values of the columns it lacks.
        whole: float64 columns that must be written without a point.
        header: whether the first row names the columns, and is passed over.
    """

    types: Mapping[str, str]
    absent: Mapping[int, Mapping[str, Value]]
    whole: frozenset[str] = frozenset()
    header: bool = False

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
    """Return the columns of a file in row order; text comes as categories, in Unicode's form NFC.

    Raises:
        ValueError: the first row that does not parse, with file and row number.
    """
    refuse_utf16(path)
    columns = _read_fast(path, layout) or _read_slowly(path, layout)
    return {
        name: composed(column) if isinstance(column, pd.Categorical) else column
        for name, column in columns.items()
    }


def refuse_utf16(path: Path) -> None:
    """Raise ValueError in plain words for a text file as Windows programs may save it."""
    try:
        with _open(path) as file:
            start = file.read(2)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return  # the reader says what is wrong
    if start in (BOM_UTF16_LE, BOM_UTF16_BE):
        raise ValueError(
            f"{path}: found UTF-16 text, expected UTF-8: save the file in that encoding"
        )


def composed(texts: pd.Categorical) -> pd.Categorical:
    """Return texts in NFC: file systems and programs may write one letter in two ways."""
    names = texts.categories
    if all(map(str.isascii, names)):
        return texts
    numbers, different = pd.factorize(np.array([normalize("NFC", name) for name in names], object))
    return pd.Categorical.from_codes(numbers[texts.codes], pd.Index(different, dtype="str"))


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield row numbers from 1 and cells; the file may be compressed (`.gz`)."""
    number = 0
    refuse_utf16(path)
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


def _refuse_unreadable(path: Path, number: int, name: str, text: str) -> None:
    surrogate = not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)
    if "\0" in text or surrogate:
        raise row_error(path, number, f"{name} {text!r}", "text")


def _read_fast(path: Path, layout: Layout) -> dict[str, Column] | None:
    """Return None when a closer look is needed: to take a row after all, or to name it."""
    # Arrays grow in place: to join the parts at the end would take the memory twice.
    numbers = {name: array(_ARRAYS[kind]) for name, kind in layout.types.items() if kind != "str"}
    texts: dict[str, list[pa.Array]] = {name: [] for name in layout.types if name not in numbers}
    try:
        for block in _blocks(path, layout.header):
            for name, values in _parse(path, block, layout).items():
                if name in texts:
                    texts[name].append(values)
                else:
                    numbers[name].frombytes(values.view(np.uint8).data)
    except (ValueError, OSError, EOFError, zlib.error):
        return None
    return {
        name: _categories(texts[name]) if kind == "str" else np.frombuffer(numbers[name], kind)
        for name, kind in layout.types.items()
    }


def _blocks(path: Path, header: bool) -> Iterator[bytes]:
    """Yield whole lines, a megabyte at a time or one line more, each with its end."""
    with _open(path) as file:
        rest = file.read(len(BOM_UTF8)).removeprefix(BOM_UTF8)
        if header:
            file.readline(_LONGEST_LINE)
            rest = b""
        while read := file.read(_BLOCK_BYTES):
            whole, end, rest = (rest + read).rpartition(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise ValueError("a line that never ends")
            if end:
                yield whole + end
        if rest:
            yield rest + b"\n"


def _parse(
    path: Path, block: bytes, layout: Layout
) -> dict[str, pa.Array | npt.NDArray[np.generic]]:
    """Return the columns of some lines.

    Arrow parses the rows of the usual width and sets the others aside; those are parsed one by one
    and put back where they stood.
    """
    block.decode()  # Arrow would print a traceback for bytes that are no text
    if b"\0" in block or block.startswith(BOM_UTF8):
        raise ValueError("text that needs a closer look")
    texts: dict[int, str] = {}

    def set_aside(row: arrow_csv.InvalidRow) -> str:
        texts[row.number] = row.text
        return "skip"

    absent = layout.absent[_usual_width(block, layout)]
    types = {name: _ARROW[layout.written_type(name)] for name in layout.types if name not in absent}
    table = arrow_csv.read_csv(
        pa.BufferReader(block),
        # Arrow numbers rows in a single thread only.
        arrow_csv.ReadOptions(
            column_names=list(types), use_threads=False, block_size=len(block) + 1
        ),
        arrow_csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=set_aside),
        arrow_csv.ConvertOptions(column_types=types, null_values=[]),
    )
    if len(table) + len(texts) != block.count(b"\n"):
        raise ValueError("values with line breaks")
    odd = [layout.row(path, number, _cells(path, number, text)) for number, text in texts.items()]
    before = [number - position for position, number in enumerate(texts, start=1)]
    order = np.insert(np.arange(len(table)), before, len(table) + np.arange(len(odd)))
    columns: dict[str, pa.Array | npt.NDArray[np.generic]] = {}
    for position, (name, kind) in enumerate(layout.types.items()):
        others = [row[position] for row in odd]
        if kind == "str":
            parts = [*table[name].chunks, pa.array(others, pa.string()).dictionary_encode()]
            columns[name] = pa.chunked_array(parts).combine_chunks().take(pa.array(order))
        else:
            usual = table[name].to_numpy() if name in types else np.full(len(table), absent[name])
            columns[name] = np.concatenate([usual.astype(kind), np.array(others, kind)])[order]
    return columns


def _cells(path: Path, number: int, text: str) -> list[str]:
    try:
        return next(csv.reader([text]))
    except csv.Error as error:
        raise row_error(path, number, str(error), "a row of csv") from None


def _usual_width(block: bytes, layout: Layout) -> int:
    """Return which allowed number of columns most rows at the start of a block have."""
    lines = block[:_SAMPLE_BYTES].splitlines()
    widths = Counter(line.count(b",") + 1 for line in lines)
    return max(layout.absent, key=lambda width: widths[width])


def _categories(parts: list[pa.DictionaryArray]) -> pd.Categorical:
    texts = pa.chunked_array(parts, _ARROW["str"]).combine_chunks()
    return pd.Categorical.from_codes(
        texts.indices.to_numpy(), pd.Index(texts.dictionary, dtype="str")
    )


def _read_slowly(path: Path, layout: Layout) -> dict[str, Column]:
    first = 2 if layout.header else 1
    values = [layout.row(path, n, cells) for n, cells in rows(path) if n >= first]
    columns: dict[str, Column] = {}
    for position, (name, kind) in enumerate(layout.types.items()):
        column = [row[position] for row in values]
        is_text = kind == "str"
        columns[name] = (
            pd.Categorical(pd.Index(column, dtype="str")) if is_text else np.array(column, kind)
        )
    return columns
