"""Take parts out of striped JPEGs, see `striped_jpeg.py`."""

import numpy as np

from pipeline.video.jpeg_header import END, RESTART, Header


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
        part = bytearray().join((header.coded, memoryview(jpeg)[start : stop - 2], END))
        part[header.height_at : header.height_at + 2] = part_rows.to_bytes(2, "big")
        moved = len(header.coded) - start
        for counted, begin in enumerate(begins[first + 1 : last + 1]):  # from the first anew
            part[begin + moved - 1] = RESTART + counted % 8
        return part, first * high


def _strips(jpeg: bytes, start: int) -> list[int]:
    """Where strips begin, and where one behind the last would: each behind a marker of two bytes.

    Args:
        start: of the coded pixels, in which a byte of 255 stands before a zero or in a marker.
    """
    coded = np.frombuffer(jpeg, np.uint8)
    is_marker = (coded[start:-1] == 0xFF) & (coded[start + 1 :] & 0xF8 == RESTART)
    return [start, *(np.flatnonzero(is_marker) + start + 2).tolist(), len(jpeg)]
