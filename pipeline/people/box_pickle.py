"""Read pickles of person boxes without running what they ask for.

A pickle is a program that can call anything. This reader knows an allow-list: what numpy (1.x or
2.x, on Python 2 or 3) calls to build arrays, and dictionaries. Everything else is refused by name.
numpy itself trusts what a pickle says of an array, down to a crash, so arrays are made here.
"""

import collections
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.memory import memory_limited

MAX_BYTES = 1 << 30  # twenty times the largest published file of boxes
# A few bytes can ask for an array, or a table of the unpickler's own, of any size.
MOST_MEMORY_BYTES, MOST_RATIO = 256 << 20, 20
_MISTAKES = (
    *(pickle.UnpicklingError, ArithmeticError, AttributeError, AssertionError, EOFError),
    *(LookupError, MemoryError, RecursionError, SystemError, TypeError, ValueError),
)


class _RefusedError(Exception):
    """A pickle named something that must not be called."""


class _Kind:
    """Stands for a numpy dtype while a pickle is read."""

    def __init__(self, code: Any, align: object = False, copy: object = False) -> None:
        self.dtype = np.dtype(code if isinstance(code, str) else "V")
        if self.dtype.kind not in "fiub":
            raise _RefusedError(f"for an array of {str(code)[:40]!r}")

    def __setstate__(self, state: Any) -> None:
        """Take the byte order, all that the state of a plain number's dtype says."""
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for a numpy array while a pickle is read."""

    def __init__(self, *_arguments: object) -> None:
        self.values: npt.NDArray[Any] = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        """Take what numpy has noted: version, shape, dtype, order, bytes."""
        _, shape, kind, is_fortran, data = state
        self.values = _from_buffer(data, kind, shape, "F" if is_fortran else "C").values


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> _Array:
    """Return the array of some bytes; ValueError if they are not as many as its shape takes."""
    if not isinstance(kind, _Kind):
        raise _RefusedError("for an array of no numbers")
    array = _Array()
    encoded = data.encode("latin1") if isinstance(data, str) else bytes(data)
    array.values = np.frombuffer(encoded, kind.dtype).reshape(shape, order=order)
    return array


def _scalar(kind: Any, data: Any) -> Any:
    return _from_buffer(data, kind, (), "C").values.item()


class _BoxUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            called = f"{module}.{name}"[:120].encode("unicode_escape").decode()
            raise _RefusedError(called) from None

    def persistent_load(self, pid: object) -> Any:
        raise _RefusedError("for an object outside the file")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "defaultdict"): collections.defaultdict,
    ("_codecs", "encode"): lambda text, encoding="latin1": text.encode("latin1"),
    ("numpy", "dtype"): _Kind,
    ("numpy", "ndarray"): _Array,
}
for _module in ("builtins", "__builtin__"):
    _ALLOWED |= {(_module, kind.__name__): kind for kind in (bytes, dict, list)}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _Array
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _scalar
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _from_buffer


def load_arrays(path: Path) -> object:
    """Return the value in a pickle of dicts, lists, plain values and numeric arrays.

    Tuples become lists. Texts written by Python 2 are read as latin-1, as numpy asks for.

    Raises:
        ValueError: one line that names what the pickle asked for and must not have, or what else is
            wrong with it.
    """
    if (num_bytes := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path}: found {num_bytes} bytes, expected at most {MAX_BYTES}")
    try:
        with path.open("rb") as file, memory_limited(MOST_MEMORY_BYTES + MOST_RATIO * num_bytes):
            return _plain(_BoxUnpickler(file, encoding="latin1").load(), {})
    except _RefusedError as refused:
        raise ValueError(
            f"{path}: found a pickle that calls {refused}, expected only numpy arrays, dicts, "
            "lists and plain values; nothing of it was run"
        ) from None
    except _MISTAKES as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path}: found no readable pickle of arrays: {reason}") from None


def _plain(value: object, done: dict[int, object]) -> object:
    """Return the value as dicts, lists, plain values and numeric arrays, or refuse it.

    Args:
        done: what was looked at already, by identity: a value of a few bytes that contains itself
            many times over must not be unfolded.
    """
    if id(value) in done:
        return done[id(value)]
    plain: object = value
    if isinstance(value, _Array):
        plain = value.values
    elif isinstance(value, dict):
        plain = {key: _plain(inner, done) for key, inner in value.items()}
    elif isinstance(value, list | tuple):
        plain = [_plain(inner, done) for inner in value]
    elif not (value is None or isinstance(value, str | bytes | bytearray | bool | int | float)):
        raise ValueError(f"a value of type {type(value).__name__}")
    done[id(value)] = plain
    return plain
