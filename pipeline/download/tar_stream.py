"""Read a tar or tar.gz archive forwards, once, from any stream of bytes.

`gzip` unpacks: it checks every sum and names a cut stream. The headers are walked here, because
tarfile takes a damaged one for the end and reads sparse maps and pax records without any bound.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterable, Iterator

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


class _Stored:
    """The archive as it is stored, with as much of a file's manners as `gzip` needs."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.position = 0

    def peek(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest = memoryview(bytes(self._rest) + chunk)
        return bytes(self._rest[:size])

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        block = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        self.position += len(block)
        return block


class PlainBytes:
    """The unpacked bytes of a tar archive, read forwards.

    Args:
        chunks: the archive as it is stored, gzipped or not, in pieces of any size.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.position = 0
        self._stored = _Stored(chunks)
        start = self._stored.peek(len(GZIP_MAGIC))
        if len(start) < len(GZIP_MAGIC):
            raise TruncatedArchiveError("archive ends too early")
        self._source: _Stored | gzip.GzipFile = self._stored
        if start == GZIP_MAGIC:
            self._source = gzip.GzipFile(fileobj=self._stored, mode="rb")  # type: ignore[call-overload]

    def read(self, size: int, /) -> bytes:
        """Return at least one and at most `size` bytes; nothing only at the end."""
        try:
            block = self._source.read(size)
        except EOFError:
            raise TruncatedArchiveError("archive ends too early") from None
        except (zlib.error, gzip.BadGzipFile) as error:
            # "Error -3 while decompressing data: invalid block type"
            reason = str(error).removeprefix("Error -3 while decompressing data: ")
            raise DamagedArchiveError(f"archive is damaged: {reason}") from error
        self.position += len(block)
        if self.position > max(RATIO_FROM_BYTES, MAX_RATIO * self._stored.position):
            raise DamagedArchiveError(f"archive unpacks to more than {MAX_RATIO} times its size")
        return block

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes, or none at all at the very end."""
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


def read_headers(plain: PlainBytes) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """Yield each member with its full name; its data is what `plain` gives next.

    Raises:
        DamagedArchiveError: wrong checksum or header, or a bomb.
        TruncatedArchiveError: the stream ends before the archive does.
    """
    long_name: str | None = None
    long_size: int | None = None
    while block := plain.exactly(TAR_BLOCK_BYTES):
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
    """Return a member's file name, whatever folders it claims to lie in."""
    return path.replace("\\", "/").rpartition("/")[2]


def _note(plain: PlainBytes, size: int) -> bytes:
    """Return the data of a header that only describes the next one."""
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
    """Return a member's size as a pax record has it; None where there is no such record."""
    if len(record) > MAX_DIGITS:
        raise DamagedArchiveError(f"archive is damaged: a size of {len(record)} digits")
    return int(record) if record.isdecimal() else None


def _padded(size: int) -> int:
    return -(-size // TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES
