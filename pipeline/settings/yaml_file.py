"""params.yaml as plain values, and the line of each key for messages."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

MOST_BYTES = 100_000  # more than a thousand variants; read within a second
MOST_VALUES = 100_000  # aliases count as often as they are used


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the content of a settings file.

    Raises:
        ValueError: one line with file and line: no YAML 1.2, a key given twice, no keys and values,
            or more than any study needs.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{path}: found {size:,} bytes, expected at most {MOST_BYTES:,}")
    try:
        node = _composed(path.read_text(encoding="utf-8"))
        num_values = 1 if node is None else _count(node, {})
        # Counted before they are made: merges repeat, too.
        small = node is not None and num_values <= MOST_VALUES
        raw = _parser().constructor.construct_document(node) if small else None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: found bytes that are not UTF-8 at {error.start}") from None
    except MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        expected = "each key once" if isinstance(error, DuplicateKeyError) else "YAML 1.2"
        raise ValueError(f"{path}: {line}{error.problem}, expected {expected}") from None
    except YAMLError as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError(f"{path}: found too many values inside values, expected a few") from None
    except (OverflowError, TypeError, ValueError) as error:  # of a date, number or key
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if num_values > MOST_VALUES:
        raise ValueError(f"{path}: found over {MOST_VALUES:,} values, expected fewer")
    if not isinstance(raw, dict):
        raise ValueError(f"{path}: found {type(raw).__name__}, expected keys and values")
    return raw


def line_of(path: Path, keys: Sequence[str | int]) -> int:
    """Return the line, from 1, of a key; of its nearest owner where the file does not have it."""
    node = _composed(path.read_text(encoding="utf-8"))
    line = 1
    for key in keys:
        child = _child(node, key)
        if child is None:
            break
        line, node = child
    return line


def _child(node: Node | None, key: str | int) -> tuple[int, Node] | None:
    """Return line and value of a key or an item."""
    if isinstance(node, MappingNode):
        for name, value in reversed(node.value):  # those merged in from elsewhere come first
            if name.value == str(key):
                return name.start_mark.line + 1, value
    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        item: Node = node.value[key]
        return item.start_mark.line + 1, item
    return None


def _parser() -> YAML:
    return YAML(typ="safe", pure=True)  # the compiled parser reads YAML 1.1: `no` is false there


@lru_cache(maxsize=1)  # a message for each mistake looks at the same text
def _composed(text: str) -> Node | None:
    node: Node | None = _parser().compose(text)
    return node


def _count(node: Node, counts: dict[int, int]) -> int:
    """Return how many values a node stands for; an alias counts as often as it is used.

    Args:
        node: inside itself, it counts as too many.
        counts: what is counted so far, by the identity of nodes.
    """
    if id(node) not in counts:
        counts[id(node)] = MOST_VALUES + 1  # while it is open
        inside = node.value if isinstance(node, MappingNode | SequenceNode) else []
        flat = [each for pair in inside for each in (pair if isinstance(pair, tuple) else [pair])]
        counts[id(node)] = 1 + sum(_count(each, counts) for each in flat)
    return counts[id(node)]
