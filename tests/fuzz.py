"""Broken copies of good files: bytes changed, cut, doubled, zeroed, or replaced as a whole.

`AVA_FUZZ=10000` tries as many for each reader; `make test` a few.
"""

import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.core.command import MistakesError

NUM_FILES = int(os.environ.get("AVA_FUZZ", "60"))
MOST_SECONDS = 2.0
MOST_BYTES = 1 << 30
# What a reader may say: one line for the user.
EXPECTED = (ValueError, OSError)

ODD = (
    b"",
    b"\0" * 5000,
    b"\xff\xfea\0,\0b\0\n\0",
    b"\xef\xbb\xbf",
    b"[" * 50_000,
    b"{" * 50_000,
    b"9" * 5000,
    b'"' + b"x" * 200_000,
    b"a,b\n" + b"x" * 200_000 + b",1\n",
    b"PK\3\4" + b"\0" * 100,
    b"PAR1" + b"\xff" * 100 + b"PAR1",
    b"\x80\x05" + b"." * 10,
    b"\x1f\x8b\x08" + b"\0" * 50,
)
PIECES = (
    b"-1",
    b"99999999999999999999",
    b"nan",
    b"inf",
    b"1e400",
    b"\0",
    b'"',
    b"\n",
    b",",
    b"\xff",
)


def broken(good: bytes, seed: str) -> Iterator[bytes]:
    """Yield `NUM_FILES` broken copies, always the same for a seed."""
    draw = random.Random(seed)
    yield from ODD
    for _ in range(NUM_FILES - len(ODD)):
        content = bytearray(good)
        for _ in range(draw.choice((1, 1, 1, 2, 8, 64))):
            at = draw.randrange(len(content) + 1)
            length = draw.choice((1, 2, 4, 16, 256))
            kind = draw.randrange(6)
            if kind == 0:
                content[at : at + length] = draw.randbytes(length)
            elif kind == 1:
                del content[at : at + length]
            elif kind == 2:
                content[at:at] = content[at : at + length]
            elif kind == 3:
                content[at : at + length] = draw.choice(PIECES)
            elif kind == 4 and at < len(content):
                content[at] ^= 1 << draw.randrange(8)
            elif kind == 5:
                del content[at:]
        yield bytes(content)


def complaints(
    read: Callable[[Path], object], good: bytes, path: Path, names: str = ""
) -> list[str]:
    """Return what is wrong with how a reader takes broken copies of a file.

    Args:
        read: the reader; what it returns is of no interest.
        good: a file that it reads without error.
        path: where the copies are put, one after the other.
        names: what an error has to name; by default the file.
    """
    path.write_bytes(good)
    read(path)
    found, before = [], _peak_bytes()
    for number, content in enumerate(broken(good, path.name)):
        path.unlink()
        path.write_bytes(content)
        started = time.process_time()
        try:
            read(path)
        except EXPECTED as error:
            for said in error.lines if isinstance(error, MistakesError) else [str(error)]:
                if len(said.splitlines()) != 1 or len(said) > 2000:
                    found.append(f"{number}: {len(said)} characters, lines: {said[:200]!r}")
                elif (names or path.name) not in said:
                    found.append(f"{number}: names no file: {said[:200]}")
        except Exception as error:  # what the test looks for
            found.append(f"{number}: {type(error).__name__}: {str(error)[:200]}")
        if (took := time.process_time() - started) > MOST_SECONDS:
            found.append(f"{number}: took {took:.1f} s")
    if (grown := _peak_bytes() - before) > MOST_BYTES:
        found.append(f"took {grown / 1e9:.1f} GB")
    return found


def _peak_bytes() -> int:
    """Return the most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
