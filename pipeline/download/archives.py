"""Take the files that are wanted out of tar and zip archives that are not trusted.

Only regular files come out, under the last component of their names, so that no archive can write
elsewhere. Tar archives are read as a stream and never stored.
"""

import errno
import hashlib
import logging
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.clips import is_safe_name
from pipeline.core.atomic import written
from pipeline.core.disk_space import require_space
from pipeline.download.tar_stream import (
    BLOCK_BYTES,
    DamagedArchiveError,
    PlainBytes,
    TruncatedArchiveError,
    last_component,
    read_headers,
)

logger = logging.getLogger(__name__)

DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)
ARCHIVE_SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar")
MAX_MEMBER_BYTES = 4 << 30  # one video; a longer one is refused
MAX_UNPACKED_BYTES = 8 << 30  # all of an annotation archive, many times the published ones


class Bytes(Protocol):
    """Something to read forwards."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Member:
    """A file that was asked for.

    Attributes:
        name: file name it has, or would have, in the folder.
        bytes: its size.
        sha256: its hash, empty when it was refused.
        reason: why it was refused, empty when it is there.
    """

    name: str
    bytes: int
    sha256: str
    reason: str


def keep_members(
    chunks: Iterable[bytes],
    choose: Callable[[str], str | None],
    folder: Path,
    max_member_bytes: int = MAX_MEMBER_BYTES,
) -> Iterator[Member]:
    """Read a tar or tar.gz stream to its end; yield each chosen member once it lies in `folder`.

    Args:
        chunks: the archive's bytes in order, in pieces of any size.
        choose: from a member's file name (without folders) to the name to keep it under, or None.
            Of several members with one name the first good one counts: `choose` is asked again.
        max_member_bytes: longer members are refused.

    Raises:
        DamagedArchiveError: wrong checksum or header, or a bomb.
        TruncatedArchiveError: the stream ends before the archive does.
    """
    plain = PlainBytes(chunks)
    kept: set[str] = set()
    for member, path in read_headers(plain):
        target = choose(last_component(path))
        if target is None or target in kept:
            continue
        reason = _objection(member, max_member_bytes)
        if reason:
            yield Member(target, member.size, "", reason)
            continue
        digest = write_member(plain, member.size, folder / target)
        kept.add(target)
        yield Member(target, member.size, digest, "")
    plain.drain()


def unpack(archive: Path, folder: Path, max_bytes: int = MAX_UNPACKED_BYTES) -> list[str]:
    """Unpack an annotation archive flat into `folder`; return the names of the new files.

    A name that is there already stays as it is: archives listed first win. Hidden names, links,
    devices and folders are left out.

    Raises:
        ValueError: damaged, truncated, or larger than `max_bytes` when unpacked.
    """
    if archive.name.endswith(".zip"):
        return _unpack_zip(archive, folder, max_bytes)
    names: list[str] = []
    left = max_bytes
    with archive.open("rb") as file:
        plain = PlainBytes(iter(lambda: file.read(BLOCK_BYTES), b""))
        for member, path in read_headers(plain):
            name = last_component(path)
            if not member.isreg() or member.issparse() or not _is_new(name, folder):
                continue
            left = _charge(left, member.size, max_bytes)
            write_member(plain, member.size, folder / name)
            names.append(name)
        plain.drain()
    return names


def write_member(source: Bytes, size: int, target: Path) -> str:
    """Write exactly `size` bytes of `source` to `target` or nothing at all; return their sha256."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    require_space(target.parent, size)
    with written(target) as temporary, temporary.open("wb") as file:
        left = size
        while left > 0:
            block = source.read(min(BLOCK_BYTES, left))
            if not block:
                raise TruncatedArchiveError("archive ends in the middle of a member")
            file.write(block)
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def _objection(member: tarfile.TarInfo, max_bytes: int) -> str:
    """Why a wanted member cannot be taken; empty when it can."""
    if not member.isreg() or member.type == tarfile.GNUTYPE_SPARSE:
        return "not a regular file in its archive"
    if member.size > max_bytes:
        return f"{member.size} bytes in its archive, more than {max_bytes}"
    return "" if member.size else "empty in its archive"


def _is_new(name: str, folder: Path) -> bool:
    """Return whether an annotation file of this name is to be written."""
    if not is_safe_name(name):
        return False
    if (folder / name).exists():
        logger.warning("%s: there already, the one in a later archive is left out", name)
        return False
    return True


def _charge(left: int, size: int, max_bytes: int) -> int:
    if size > left:
        raise DamagedArchiveError(f"archive unpacks to more than {max_bytes} bytes")
    return left - size


def _unpack_zip(archive: Path, folder: Path, max_bytes: int) -> list[str]:
    names: list[str] = []
    left = max_bytes
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                name = last_component(member.filename)
                mode = stat.S_IFMT(member.external_attr >> 16)
                if member.is_dir() or mode not in (0, stat.S_IFREG) or not _is_new(name, folder):
                    continue
                left = _charge(left, member.file_size, max_bytes)
                # zipfile gives no more than the announced size, and checks the CRC at its end.
                with packed.open(member) as file:
                    write_member(file, member.file_size, folder / name)
                names.append(name)
    except (*DAMAGED_ZIP, ArithmeticError, LookupError, EOFError) as error:
        raise DamagedArchiveError(f"archive is damaged: {str(error)[:200]}") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # what bz2 says, and a seek before the start
            raise
        raise DamagedArchiveError(f"archive is damaged: {str(error)[:200]}") from error
    except (NotImplementedError, RuntimeError) as error:  # unknown compression, or a password
        raise DamagedArchiveError(f"archive cannot be unpacked: {str(error)[:200]}") from error
    return names
