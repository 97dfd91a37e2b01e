"""Pickles of plain values and numpy arrays, read without trusting them.

A pickle is a program for a small stack machine, and the usual way to run it can call anything.
Here the machine knows no calls but the few by which numpy (1.x or 2.x, on Python 2 or 3) writes
arrays of numbers, and even those build our own stand-ins: numpy's own unpickling code trusts the
flags inside a file, which can be made to point anywhere in memory.

Nor does a file cost more memory than its size accounts for: a length that it announces is compared
with what is left of it, and a text that it names many times is not copied as often.
"""

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from struct import unpack
from typing import IO, Any, ClassVar

import numpy as np
import numpy.typing as npt

_NUMBERS = re.compile(r"[<>|=]?[fiub][1248]")
_MISTAKES = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def load_arrays(path: Path) -> object:
    """The value in a pickle made of dict, list, tuple, str, bytes, numbers and numeric arrays.

    Texts written by Python 2 are read as latin-1, as numpy's documentation asks for.

    Raises:
        ValueError: one line that names what the pickle asked for and must not have, or what is
            wrong with it otherwise. Nothing of the file has been run then.
    """
    with open(path, "rb") as file:
        try:
            return _as_plain(_ArrayUnpickler(file).load(), {})
        except _RefusedError as refused:
            raise ValueError(
                f"{path}: found a pickle that calls {refused}, expected only numpy arrays, dicts, "
                "lists and plain values; nothing of it was run"
            ) from None
        except _MISTAKES as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(f"{path}: found no readable pickle of arrays: {reason}") from None


class _RefusedError(Exception):
    """A pickle named something that must not be called."""


class _Room:
    """How many bytes may still be copied; all arrays together hold no more than their file."""

    def __init__(self, num_bytes: int) -> None:
        self._whole = self._left = num_bytes

    def take(self, num_bytes: int) -> None:
        self._left -= num_bytes
        if self._left < 0:
            raise ValueError(f"arrays of more than the {self._whole} bytes of the file")


class _Type:
    """Stands for numpy.dtype: the name of a number type, nothing else of its state."""

    def __init__(self, name: str, align: object = False, copy: object = True) -> None:
        if not isinstance(name, str) or _NUMBERS.fullmatch(name) is None:
            raise _RefusedError(f"for an array of {str(name)[:40]!r}")
        self.value = np.dtype(name)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        # (version, byte order, ...): what follows describes types that are refused above.
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise ValueError(f"byte order {str(order)[:40]!r}")
        self.value = self.value.newbyteorder(str(order))  # type: ignore[arg-type]


class _Array:
    """Stands for an array between numpy's two steps: made empty, then given its contents."""

    def __init__(self, room: _Room) -> None:
        self.value: npt.NDArray[Any] = np.empty(0)
        self._room = room

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _, shape, kind, fortran, content = state
        if isinstance(content, str):
            content = _encode(self._room, content)  # a text of Python 2
        self.value = _array(content, kind, shape, "F" if fortran else "C")


class _Ndarray:
    """Stands for numpy.ndarray, which pickles only name."""


def _reconstruct(room: _Room, kind: object, shape: object, code: object) -> _Array:
    if kind is not _Ndarray:
        raise _RefusedError("numpy to make something else than an array")
    return _Array(room)


def _from_buffer(
    room: _Room, content: object, kind: object, shape: object, order: object
) -> _Array:
    array = _Array(room)
    array.value = _array(content, kind, shape, str(order))
    return array


def _scalar(room: _Room, kind: object, content: object) -> float | int:
    if isinstance(content, str):
        content = _encode(room, content)
    value: float | int = _array(content, kind, (1,), "C")[0].item()
    return value


def _encode(room: _Room, text: str, encoding: str = "latin1") -> bytes:
    # Protocol 2 of Python 3 has no code for bytes and writes a call of _codecs.encode instead.
    if encoding not in ("latin1", "latin-1", "iso-8859-1"):
        raise _RefusedError(f"_codecs.encode to {encoding[:40]!r}")
    room.take(len(text))
    return text.encode("latin1")


def _no_bytes(room: _Room) -> bytes:
    # And for bytes of no length a call of bytes().
    return b""


def _array(content: object, kind: object, shape: object, order: str) -> npt.NDArray[Any]:
    if not isinstance(kind, _Type) or not isinstance(content, bytes | bytearray):
        raise ValueError("an array without a type or without contents")
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError("an array with a strange shape")
    flat = np.frombuffer(content, kind.value)
    return flat.reshape(shape, order="F" if order == "F" else "C")


_CALLS: dict[tuple[str, str], Callable[..., object]] = {
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Ndarray,
}
for _core in ("numpy.core", "numpy._core"):  # numpy 1.x and 2.x
    _CALLS[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _CALLS[f"{_core}.multiarray", "scalar"] = _scalar
    _CALLS[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _Bounded:
    """A file from which no more is asked for, and made room for, than is left of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.readline = file, file.readline
        self.size = os.fstat(file.fileno()).st_size

    def read(self, num_bytes: int) -> bytes:
        if num_bytes > 4096:  # less is not worth the question
            left = self.size - self._file.tell()
            if num_bytes > left:
                raise EOFError(f"found {left} bytes, expected {num_bytes} as announced")
        return self._file.read(num_bytes)


# The interpreter in Python, not the one in C: a few bytes can make that one fill the memory.
class _ArrayUnpickler(pickle._Unpickler):
    dispatch: ClassVar[Any] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: IO[bytes]) -> None:
        bounded = _Bounded(file)
        super().__init__(bounded, encoding="latin1")
        self._room = _Room(bounded.size)

    def load_bytearray8(self) -> None:
        # The usual way makes room for what is announced before it looks whether it is there.
        machine: Any = self
        (num_bytes,) = unpack("<Q", machine.read(8))
        machine.append(bytearray(machine.read(num_bytes)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def find_class(self, module: str, name: str) -> Any:
        call = _CALLS.get((module, name))
        if call is None:
            raise _RefusedError(f"{module}.{name}"[:120])
        # A fresh stand-in each time: a pickle can set attributes of what it is given.
        return call if isinstance(call, type) else lambda *values: call(self._room, *values)

    def persistent_load(self, pid: object) -> Any:
        raise _RefusedError("for an object outside the file")

    def get_extension(self, code: int) -> None:
        raise _RefusedError(f"extension {code}")


def _as_plain(value: object, done: dict[int, object]) -> object:
    """Replace the stand-ins inside nested dicts and lists by their arrays; tuples become lists.

    Args:
        done: what was replaced already, by identity: a value of a few bytes that contains itself
            many times over must not be unfolded.
    """
    if id(value) in done:
        return done[id(value)]
    plain: object
    if isinstance(value, _Array):
        plain = value.value
    elif isinstance(value, dict):
        plain = {key: _as_plain(inner, done) for key, inner in value.items()}
    elif isinstance(value, list | tuple):
        plain = [_as_plain(inner, done) for inner in value]
    elif value is None or isinstance(value, str | bytes | bytearray | bool | int | float):
        return value
    else:
        raise ValueError(f"a value of type {type(value).__name__}")
    done[id(value)] = plain
    return plain
