"""Weights from elsewhere: what the names of such files say, and reading without running code."""

import logging
import pickle
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch

logger = logging.getLogger(__name__)

# What a file raises that is damaged, or something else: it depends on where.
BROKEN = (
    *(ArithmeticError, AssertionError, AttributeError, BadZipFile, EOFError, LookupError),
    *(MemoryError, OSError, RecursionError, RuntimeError, TypeError, ValueError, struct.error),
)


def named_digits(path: Path) -> str | None:
    """Return the first eight hex digits of its sha256 in which a published file's name ends."""
    named = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    return named[1] if named else None


def load_safely(
    path: Path,
    expected: str,
    allowed: Sequence[Any] = (),
    stand_ins: Mapping[str, Any] | None = None,
) -> Any:
    """Return what `torch.save` wrote into a file: tensors, on the CPU, and plain values.

    Args:
        expected: what the file should be, for the messages.
        allowed: further classes whose objects are made.
        stand_ins: what is called in the place of other things that the file names.

    Raises:
        ValueError: a file of something else, a compressed one, or one that names anything further.
    """
    stand_ins = stand_ins or {}
    try:
        if _is_archive(path):  # as all are that torch has written since 2020
            _refuse_compressed(path)
            strangers = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            if passed_over := [name for name in strangers if name in stand_ins]:
                logger.info("%s: passing over objects of %s", path, ", ".join(passed_over))
        named = [(stand_in, name) for name, stand_in in stand_ins.items()]
        with torch.serialization.safe_globals([*allowed, *named]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+) was not an allowed", str(error))
        found = f"an object of {refused[1]}" if refused else "no weights that can be read safely"
        raise ValueError(f"{path}: found {found}, expected tensors and plain values") from None
    except FileNotFoundError:
        raise
    except BROKEN as error:
        first = str(error).partition("\n")[0]
        reason = " ".join(first.split())[:200] or type(error).__name__
        raise ValueError(f"{path}: {reason}, expected {expected}") from None


def _is_archive(path: Path) -> bool:
    """Return whether torch will read the file as a zip archive."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\3\4"


def _refuse_compressed(path: Path) -> None:
    """Torch stores tensors as they are; compressed, a small file could fill the memory.

    So it could with many members that are the same bytes of the file.
    """
    with ZipFile(path) as archive:
        members, size = archive.infolist(), path.stat().st_size
        for member in members:
            if member.compress_type != ZIP_STORED or member.file_size > member.compress_size:
                raise ValueError(f"{member.filename!r} is compressed")
        if (total := sum(member.file_size for member in members)) > size:
            raise ValueError(f"found members of {total} bytes in a file of {size}")
