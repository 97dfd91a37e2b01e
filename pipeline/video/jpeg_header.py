"""What stands before the coded pixels of a JPEG (ITU-T T.81, B.2)."""

from typing import NamedTuple

RESTART, END = 0xD0, b"\xff\xd9"  # the first of eight markers, counted round and round
RESTART_INTERVAL = 0xDD
_APP0, _START_OF_FRAME, _START_OF_SCAN = 0xE0, 0xC0, 0xDA
_BLOCK, _HALVED_CHROMA = 16, b"\x22"  # rows and columns coded together in 4:2:0, how it is told


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
            elif marker == RESTART_INTERVAL:
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
