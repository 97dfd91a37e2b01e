"""JPEGs of which a reader can take a part.

A view leaves out columns of a wide picture, and a JPEG can only be entered between rows. Stored
stills therefore lie on their side, each row of the JPEG a column of the picture, and strips of rows
are coded one by one and joined by restart markers (ITU-T T.81, B.2.1). What comes out is a plain
baseline JPEG, in every pixel that of one piece; its EXIF orientation tells viewers how it lies.

Rows, columns, height and width are those of the JPEG here and in `strip_reader.py`.
"""

import struct
from collections.abc import Sequence

from pipeline.video.jpeg_header import END, RESTART, RESTART_INTERVAL, Header

STRIP_ROWS = 32

# EXIF with one entry, the orientation (0x0112): its rows are columns of the picture (5).
_ON_ITS_SIDE = struct.pack(
    ">HH6s2sHIHHHIHHI", 0xFFE1, 34, b"Exif\0\0", b"MM", 42, 8, 1, 0x0112, 3, 1, 5, 0, 0
)


def join_strips(strips: Sequence[bytes], height: int) -> bytes:
    """One JPEG of strips that were coded one by one: 4:2:0, `STRIP_ROWS` high but for the last.

    Raises:
        ValueError: a strip that is not coded as the first.
    """
    first = Header.read(strips[0])
    above, below = first.coded[: first.height_at], first.coded[first.height_at + 2 :]
    for strip in strips:
        if not (strip.startswith(above) and strip.startswith(below, first.height_at + 2)):
            raise ValueError("a strip has another width or other tables than the first")
    interval = struct.pack(">BBHH", 0xFF, RESTART_INTERVAL, 4, first.blocks(STRIP_ROWS))
    parts = [
        above[: first.app0_stop], _ON_ITS_SIDE, above[first.app0_stop :],
        height.to_bytes(2, "big"),
        first.coded[first.height_at + 2 : first.scan_at], interval, first.coded[first.scan_at :],
    ]  # fmt: skip
    for number, strip in enumerate(strips):
        parts += strip[len(first.coded) : -len(END)], bytes((0xFF, RESTART + number % 8))
    return b"".join((*parts[:-1], END))
