"""Read a class list: action names by id, from any of the forms in which they are handed around.

pbtxt     `label { name: "..." label_id: 1 label_type: ... }` (AVA) or `item { name: "..."
          id: 1 }` (ActivityNet), with comments, quotes and other fields as protobuf has them.
numbered  a line `1,bend/bow` or `1: bend/bow` per class; a csv may have a header.
names     one name per line; ids are 1, 2, 3...
"""

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from pathlib import Path
from unicodedata import category, normalize

LARGEST_ID = 10_000  # the classifier has a column per id, used or not
_LONGEST = 2**20
_UTF16 = (BOM_UTF16_LE, BOM_UTF16_BE)

_BLOCK_BEGINS = re.compile(r"\b(?:item|label)\s*:?\s?[{<]")
_COMMENTS_AND_QUOTES = re.compile(
    r"""\#[^\n]* | "((?:\\.|[^"\\\n])*)" | '((?:\\.|[^'\\\n])*)' | ["']""", re.VERBOSE
)
# After that: spaces are single, and a quoted text is its number in quotes.
_OTHER_BLOCK = re.compile(r"\b(?!(?:item|label)\b)(\w+) ?:? ?(?:\{[^{}]*\}|<[^<>]*>)")
_BLOCK = re.compile(r"\b(?:item|label) ?:? ?(?:\{([^{}]*)\}|<([^<>]*)>)[ ;,]*")
_NAME = re.compile(r'\bname ?: ?((?:"\d+" ?)+)')
_ID = re.compile(r'\b(?:label_)?id ?: ?([^\s;,"]+)')

_NUMBERED = re.compile(r'\s*"?([+-]?\d+)"?[ ]?[,:\t]\s*(.*)')
_NAME_COLUMNS = ("name", "label", "class", "action")
_HEADER = re.compile(r'\s*"?(?:label_|action_|class_)?id"?[ ]?[,:\t]', re.IGNORECASE)


def read_class_list(path: Path) -> dict[int, str]:
    """Return the action names by id, in file order.

    Raises:
        ValueError: one line with what is wrong: no UTF-8, no class at all, a class without a name
            or an id, an id that is given twice or is not 1 to `LARGEST_ID`.
    """
    text = _read_text(path)
    lines = [(f"line {n}", line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    try:
        if path.suffix in (".pbtxt", ".prototxt") or _BLOCK_BEGINS.search(text):
            return _checked(_in_blocks(text))
        first = lines[0][1] if lines else ""
        if path.suffix == ".csv" or _HEADER.match(first) or _NUMBERED.match(first):
            return _checked(_numbered(lines))
        return _checked(_named(lines))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        read = file.read(_LONGEST)
    if len(read) == _LONGEST:
        raise ValueError(f"{path}: found {len(read):,} bytes or more, expected a class list")
    if b"\0" in read or read.startswith(_UTF16):
        found = "UTF-16 text" if read.startswith(_UTF16) else "NUL bytes"
        raise ValueError(f"{path}: found {found}, expected UTF-8: save the file in that encoding")
    try:
        return read.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"bytes that are not UTF-8 at {error.start}"
        raise ValueError(f"{path}: found {found}, expected a class list in UTF-8") from None


def _checked(classes: Iterable[tuple[str, str, str]]) -> dict[int, str]:
    """Return names by id.

    Args:
        classes: of each class where it stands, its id as it was written, and its name.
    """
    found: dict[int, str] = {}
    for where, written, name in classes:
        number = int(written) if re.fullmatch("[0-9]{1,9}", written) else 0
        if not 1 <= number <= LARGEST_ID:
            raise ValueError(
                f"{where}: found id {written[:40]}, expected a whole number from 1 to "
                f"{LARGEST_ID:,} (0 is a column of the model that is never used)"
            )
        if number in found:
            raise ValueError(f"{where}: id {number} given twice, expected once")
        name = normalize("NFC", name.strip())
        if not name or any(category(letter) == "Cc" for letter in name):
            raise ValueError(f"{where}: found the name {name[:80]!r}, expected text")
        found[number] = name
    if not found:
        raise ValueError("found no class, expected blocks like item { name: ... id: 1 }")
    return found


def _named(lines: list[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    names = set()
    for where, line in lines:
        if (name := line.strip()) in names:
            raise ValueError(f"{where}: {name[:80]!r} given twice, expected once")
        names.add(name)
        yield where, where.removeprefix("line "), name


def _numbered(lines: list[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    header: list[str] = []
    if lines and _HEADER.match(lines[0][1]):
        header = next(csv.reader([lines[0][1].strip().lower()]))
        lines = lines[1:]
    of_name = next((i for i, name in enumerate(header) if name.endswith(_NAME_COLUMNS)), 1)
    for where, line in lines:
        if len(header) > 2:
            cells = next(csv.reader([line.strip()]))
            if len(cells) != len(header):
                found = f"{len(cells)} columns"
                raise ValueError(f"{where}: found {found}, expected {len(header)} as in the header")
            yield where, cells[0], cells[of_name]
            continue
        if (match := _NUMBERED.fullmatch(line)) is None:
            raise ValueError(f"{where}: found {line[:80]!r}, expected an id and a name")
        name = match[2]
        yield where, match[1], next(csv.reader([name]))[0] if name.startswith('"') else name


def _in_blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the classes of a pbtxt; fields other than name and id are passed over."""
    quoted: list[str] = []

    def masked(found: re.Match[str]) -> str:
        if found[0].startswith("#"):
            return " "
        if len(found[0]) == 1:
            line = text.count("\n", 0, found.start()) + 1
            raise ValueError(f"line {line}: found a quote that is not closed, expected its end")
        quoted.append(found[1] if found[1] is not None else found[2])
        return f' "{len(quoted) - 1}" '

    rest = " ".join(_COMMENTS_AND_QUOTES.sub(masked, text).split())
    for _ in range(8):  # blocks inside blocks
        rest = _OTHER_BLOCK.sub(r" \1 ", rest)
    blocks = list(_BLOCK.finditer(rest))
    for count, block in enumerate(blocks, start=1):
        fields = block[1] if block[1] is not None else block[2]
        name, written = _NAME.search(fields), _ID.search(fields)
        if name is None or written is None:
            raise ValueError(f"class {count}: found no name or no id, expected both")
        parts = [quoted[int(number)] for number in re.findall(r"\d+", name[1])]
        yield f"class {count}", written[1], re.sub(r"""\\(["'\\])""", r"\1", "".join(parts))
    outside = _BLOCK.sub("", rest).strip()
    if blocks and outside:
        shown = re.sub(r'"(\d+)"', lambda found: f'"{quoted[int(found[1])]}"', outside)
        raise ValueError(f"found {shown[:60]!r} outside of every class, expected item {{ ... }}")
