"""Read a tar or tar.gz archive forwards, once, from any stream of bytes.

Python's tarfile takes a damaged header or a cut-off stream for the end of the archive and checks no
gzip checksum; here each of them is an error, so that nothing missing passes for complete.
"""

import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pipeline.download.gzip_restart import GZIP_WBITS, Inflater, Restart, has_library

MAX_NAME_BYTES = 1 << 16  # long names are read into memory
# Videos hardly compress; what unpacks to so much more than was read is made to fill the disk.
MAX_RATIO = 200
RATIO_FROM_BYTES = 64 << 20
BLOCK_BYTES = 1 << 18
TAR_BLOCK_BYTES = 512
MAX_DIGITS = 19  # of a size in a pax header: an exabyte
GZIP_MAGIC = b"\x1f\x8b"
# Such members carry a size at times, but never data.
DATALESS = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
)


class DamagedArchiveError(ValueError):
    """The archive's bytes are not what was packed; nothing out of it can be relied on."""


class TruncatedArchiveError(ValueError):
    """The archive ends too early; the members before the end are whole."""


@dataclass(frozen=True)
class Place:
    """Where the reading of an archive can be taken up again.

    Attributes:
        header: unpacked bytes before the next member's header.
        restart: where to begin to unpack; None for a tar that is not packed.
    """

    header: int
    restart: Restart | None

    @property
    def packed(self) -> int:
        """Offset in the archive of the first byte that is needed."""
        return self.header if self.restart is None else self.restart.packed


class PlainBytes:
    """The unpacked bytes of a tar archive, read forwards.

    Args:
        chunks: the archive as it is stored, gzipped or not, in pieces of any size.
        start: where `chunks` and the reading begin, when not at the archive's first byte.
    """

    def __init__(self, chunks: Iterable[bytes], start: Place | None = None) -> None:
        self._rest = memoryview(b"")
        self._is_packed = False
        self._inflater: Inflater | None = None
        if start is None:
            self.position = 0
            self._chunks = self._unpacked(chunks)
            return
        self.position = start.header if start.restart is None else start.restart.plain
        self._chunks = iter(chunks)
        if start.restart is not None:
            self._is_packed, self._inflater = True, Inflater(start.restart)
            self._chunks = _gunzipped(b"", iter(chunks), self._inflater)
        self.skip_to(start.header)

    def place(self) -> Place | None:
        """Where to take up the reading again at the present position; None where that cannot be."""
        if not self.position:
            return None  # nothing tells yet whether it is packed
        if not self._is_packed:
            return Place(self.position, None)
        if self._inflater is None or self._inflater.eof:  # another stream follows: rare
            return None
        passed = [each for each in self._inflater.restarts if each.plain <= self.position]
        return Place(self.position, passed[-1]) if passed else None

    def read(self, size: int, /) -> bytes:
        """At least one and at most `size` bytes; nothing only at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        block = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        self.position += len(block)
        return block

    def exactly(self, size: int) -> bytes:
        """`size` bytes, or none at all at the very end."""
        blocks = []
        left = size
        while left > 0 and (block := self.read(left)):
            blocks.append(block)
            left -= len(block)
        if 0 < left < size:
            raise TruncatedArchiveError("archive ends in the middle of a header")
        return b"".join(blocks)

    def skip_to(self, position: int) -> None:
        while self.position < position:
            if not self.read(min(BLOCK_BYTES, position - self.position)):
                raise TruncatedArchiveError("archive ends in the middle of a member")

    def drain(self) -> None:
        """Read what follows the last member: the checksum comes last."""
        while self.read(BLOCK_BYTES):
            pass

    def _unpacked(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Undo gzip when the stream begins like it; a plain tar passes through."""
        rest = iter(chunks)
        start = b""
        for chunk in rest:
            start += chunk
            if len(start) >= len(GZIP_MAGIC):
                break
        else:
            raise TruncatedArchiveError("archive ends too early")
        if start.startswith(GZIP_MAGIC):
            self._is_packed = True
            self._inflater = Inflater() if has_library() else None
            yield from _gunzipped(start, rest, self._inflater)
        else:
            yield start
            yield from rest


def read_headers(
    plain: PlainBytes, at_member: Callable[[PlainBytes], None] = lambda plain: None
) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """Yield each member with its full name; its data is what `plain` gives next.

    Args:
        at_member: told when the next member's first header comes next.

    Raises:
        DamagedArchiveError: wrong checksum or header, or a bomb.
        TruncatedArchiveError: the stream ends before the archive does.
    """
    long_name: str | None = None
    long_size: int | None = None
    while True:
        if long_name is None and long_size is None:
            at_member(plain)
        block = plain.exactly(TAR_BLOCK_BYTES)
        if not block:
            return
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            return
        except tarfile.HeaderError as error:
            raise DamagedArchiveError(f"archive is damaged: {error}") from error
        if member.size < 0:
            raise DamagedArchiveError("archive is damaged: a member of negative size")
        if member.type == tarfile.GNUTYPE_LONGNAME:
            long_name = _note(plain, member.size).rstrip(b"\0").decode("utf-8", "surrogateescape")
            continue
        if member.type == tarfile.XHDTYPE:
            records = _records(_note(plain, member.size))
            long_name = records.get("path", long_name)
            long_size = _size(records.get("size", ""))
            continue
        member.size = member.size if long_size is None else long_size
        end = plain.position + (0 if member.type in DATALESS else _padded(member.size))
        yield member, long_name if long_name is not None else member.name
        plain.skip_to(end)
        if member.type != tarfile.GNUTYPE_LONGLINK:  # stands between a long name and its member
            long_name = long_size = None


def last_component(path: str) -> str:
    """A member's file name, whatever folders it claims to lie in."""
    return path.replace("\\", "/").rpartition("/")[2]


def _note(plain: PlainBytes, size: int) -> bytes:
    """The data of a header that only describes the next one."""
    if size > MAX_NAME_BYTES:
        raise DamagedArchiveError(f"archive is damaged: a name of {size} bytes")
    note = plain.exactly(_padded(size))[:size]
    if len(note) < size:
        raise TruncatedArchiveError("archive ends in the middle of a header")
    return note


def _records(note: bytes) -> dict[str, str]:
    """Parse pax records, each "length key=value" and a line feed, the length counting all of it."""
    records = {}
    while note:
        length, space, _ = note.partition(b" ")
        is_number = length.isdigit() and len(length) <= MAX_DIGITS
        if not space or not is_number or not len(length) < int(length) <= len(note):
            raise DamagedArchiveError("archive is damaged: a broken pax header")
        record, note = note[: int(length)], note[int(length) :]
        key, _, value = record[len(length) + 1 : -1].partition(b"=")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
    return records


def _size(record: str) -> int | None:
    """A member's size as a pax record has it; None where there is no such record."""
    if len(record) > MAX_DIGITS:
        raise DamagedArchiveError(f"archive is damaged: a size of {len(record)} digits")
    return int(record) if record.isdecimal() else None


def _padded(size: int) -> int:
    return -(-size // TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES


class _Unzip(Protocol):
    """One gzip stream, as `zlib.decompressobj` undoes it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _gunzipped(start: bytes, rest: Iterator[bytes], first: _Unzip | None) -> Iterator[bytes]:
    """Undo gzip, of one or several streams on end, in pieces of bounded size.

    Args:
        first: what undoes the first stream.
    """
    unzip = first
    num_packed = num_plain = 0
    data = start
    while data or (data := next(rest, b"")):
        if unzip is None:
            data = data.lstrip(b"\0")  # padding behind a stream
            if not data:
                continue
            unzip = zlib.decompressobj(wbits=GZIP_WBITS)
        size = len(data)
        try:
            block = unzip.decompress(data, BLOCK_BYTES)
        except zlib.error as error:
            # "Error -3 while decompressing data: incorrect data check"
            reason = str(error).rpartition(": ")[2]
            raise DamagedArchiveError(f"archive is damaged: {reason}") from error
        data = unzip.unused_data if unzip.eof else unzip.unconsumed_tail
        num_packed += size - len(data)
        num_plain += len(block)
        if num_plain > max(RATIO_FROM_BYTES, MAX_RATIO * num_packed):
            raise DamagedArchiveError(f"archive unpacks to more than {MAX_RATIO} times its size")
        if block:
            yield block
        unzip = None if unzip.eof else unzip
    if unzip is not None:
        raise TruncatedArchiveError("archive ends too early")
