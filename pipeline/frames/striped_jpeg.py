"""JPEGs of which a reader can take a part.

A view leaves out columns of a wide picture, and a JPEG can only be entered between rows. Stored
stills therefore lie on their side, each row of the JPEG a column of the picture, and strips of rows
are coded one by one and joined by restart markers (ITU-T T.81, B.2.1). What comes out is a plain
baseline JPEG, in every pixel that of one piece; its EXIF orientation tells viewers how it lies.

Rows, columns, height and width are those of the JPEG here.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

STRIP_ROWS = 32

_APP0, _START_OF_FRAME, _RESTART_INTERVAL, _START_OF_SCAN = 0xE0, 0xC0, 0xDD, 0xDA
_RESTART, _END = 0xD0, b"\xff\xd9"  # the first of eight, counted round and round
_BLOCK, _HALVED_CHROMA = 16, b"\x22"  # rows and columns coded together in 4:2:0, how it is told
# EXIF with one entry, the orientation (0x0112): its rows are columns of the picture (5).
_ON_ITS_SIDE = struct.pack(
    ">HH6s2sHIHHHIHHI", 0xFFE1, 34, b"Exif\0\0", b"MM", 42, 8, 1, 0x0112, 3, 1, 5, 0, 0
)


def join(strips: Sequence[bytes], height: int) -> bytes:
    """One JPEG of strips that were coded one by one: 4:2:0, `STRIP_ROWS` high but for the last.

    Raises:
        ValueError: a strip that is not coded as the first.
    """
    first = Header.read(strips[0])
    above, below = first.coded[: first.height_at], first.coded[first.height_at + 2 :]
    for strip in strips:
        if not (strip.startswith(above) and strip.startswith(below, first.height_at + 2)):
            raise ValueError("a strip has another width or other tables than the first")
    interval = struct.pack(">HHH", 0xFF00 + _RESTART_INTERVAL, 4, first.blocks(STRIP_ROWS))
    parts = [
        above[: first.app0_stop], _ON_ITS_SIDE, above[first.app0_stop :],
        height.to_bytes(2, "big"),
        first.coded[first.height_at + 2 : first.scan_at], interval, first.coded[first.scan_at :],
    ]  # fmt: skip
    for number, strip in enumerate(strips):
        parts += strip[len(first.coded) : -len(_END)], bytes((0xFF, _RESTART + number % 8))
    return b"".join((*parts[:-1], _END))


class Header(NamedTuple):
    """What stands before the coded pixels of a JPEG, and where in it."""

    coded: bytes
    app0_stop: int
    height_at: int  # two bytes
    scan_at: int
    height: int
    width: int
    interval: int  # blocks from one restart marker to the next; 0 without any, or not of 4:2:0

    @classmethod
    def read(cls, jpeg: bytes) -> "Header":
        """Header of a JPEG; ValueError when it is not one of a single scan, or breaks off."""
        at, app0_stop, height_at, interval, is_420 = 2, 2, 0, 0, False
        while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
            marker, stop = jpeg[at + 1], at + 2 + _number(jpeg, at + 2)
            if marker == _APP0:
                app0_stop = stop
            elif marker == _START_OF_FRAME:
                height_at, is_420 = at + 5, jpeg[at + 11 : at + 12] == _HALVED_CHROMA
            elif marker == _RESTART_INTERVAL:
                interval = _number(jpeg, at + 4)
            elif marker == _START_OF_SCAN and height_at:
                size = _number(jpeg, height_at), _number(jpeg, height_at + 2)
                return cls(jpeg[:stop], app0_stop, height_at, at, *size, interval * is_420)
            at = stop
        raise ValueError("its header breaks off or is none of a baseline JPEG")

    def blocks(self, rows: int) -> int:
        """Blocks of some rows, a multiple of their height."""
        return rows // _BLOCK * -(-self.width // _BLOCK)

    @property
    def strip_rows(self) -> int:
        """Rows from one restart marker to the next; 0 where that is no whole number of them."""
        strips, rest = divmod(self.interval, self.blocks(_BLOCK))
        return 0 if rest else strips * _BLOCK


def _number(jpeg: bytes, at: int) -> int:
    return int.from_bytes(jpeg[at : at + 2], "big")


class StripReader:
    """Takes parts out of striped JPEGs; those of a clip share one header, which is read once."""

    def __init__(self) -> None:
        self._header: Header | None = None

    def part(
        self, jpeg: bytes, size: tuple[int, int], rows: range
    ) -> tuple[bytes | bytearray, int]:
        """A JPEG in which some rows look as they do in the whole, and the row that it begins with.

        It is the whole if that has no strips, or has them all in view.

        Args:
            size: height and width that the whole should have.

        Raises:
            ValueError: another size, a broken header, or more or fewer strips than it says.
        """
        header = self._header
        if header is None or not jpeg.startswith(header.coded):
            header = self._header = Header.read(jpeg)
        if (header.height, header.width) != size:
            raise ValueError(f"it has {header.height} x {header.width} pixels, expected {size}")
        high = header.strip_rows or header.height
        number = -(-header.height // high)
        # Chroma has half the size: a row shows a little of its neighbours' colour, too.
        first, last = max(rows.start - 1, 0) // high, min(rows.stop, header.height - 1) // high
        if last - first + 1 == number:
            return jpeg, 0
        begins = _strips(jpeg, len(header.coded))
        if len(begins) != number + 1:
            raise ValueError(f"found {len(begins) - 1} strips, expected {number}")
        part_rows = min((last + 1) * high, header.height) - first * high
        start, stop = begins[first], begins[last + 1]
        part = bytearray().join((header.coded, memoryview(jpeg)[start : stop - 2], _END))
        part[header.height_at : header.height_at + 2] = part_rows.to_bytes(2, "big")
        moved = len(header.coded) - start
        for counted, begin in enumerate(begins[first + 1 : last + 1]):  # from the first anew
            part[begin + moved - 1] = _RESTART + counted % 8
        return part, first * high


def _strips(jpeg: bytes, start: int) -> list[int]:
    """Where strips begin, and where one behind the last would: each behind a marker of two bytes.

    Args:
        start: of the coded pixels, in which a byte of 255 stands before a zero or in a marker.
    """
    coded = np.frombuffer(jpeg, np.uint8)
    is_marker = (coded[start:-1] == 0xFF) & (coded[start + 1 :] & 0xF8 == _RESTART)
    return [start, *(np.flatnonzero(is_marker) + start + 2).tolist(), len(jpeg)]
