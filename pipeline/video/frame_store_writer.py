"""Write stored frames: a tar of JPEGs and its table, as `frame_store.py` reads them."""

import tarfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.atomic import written

_SCHEMA = pa.schema(
    [
        ("clip", pa.string()),
        ("frame", pa.int32()),
        ("offset", pa.int64()),  # of the JPEG's first byte in the tar
        ("length", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)


class FrameStoreWriter:
    """Writes one shard; use as a context manager. Equal frames give equal bytes.

    Both files take their names when the block succeeds, the table last.

    Args:
        notes: what to keep beside the table, such as the versions of the decoder.
    """

    def __init__(self, tar: Path, index: Path, notes: Mapping[str, str] | None = None) -> None:
        self._tar_path, self._index_path = tar, index
        self._notes = dict(notes or {})
        self._rows: list[tuple[str, int, int, int, int, int]] = []
        self._length = 0

    def __enter__(self) -> Self:
        self._files = ExitStack()
        self._index_part = self._files.enter_context(written(self._index_path))
        part = self._files.enter_context(written(self._tar_path))
        self._tar: BinaryIO = self._files.enter_context(part.open("wb", buffering=1 << 20))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            blanks = 2 * tarfile.BLOCKSIZE  # how a tar ends
            self._tar.write(bytes(blanks + -(self._length + blanks) % tarfile.RECORDSIZE))
            rows = pa.array(self._rows, pa.struct(list(_SCHEMA)))
            table = pa.Table.from_struct_array(rows).replace_schema_metadata(self._notes)
            pq.write_table(table, self._index_part)
        self._files.__exit__(kind, error, trace)

    def add(self, clip: str, frame: int, jpeg: bytes, width: int, height: int) -> None:
        """Append one JPEG; frames of a clip come together and ascending, clips in order.

        Args:
            jpeg: the encoded frame.
            width, height: of the frame, in pixels.
        """
        header = _tar_header(f"{clip}/img_{frame:05d}.jpg", len(jpeg))
        offset = self._length + len(header)
        self._rows.append((clip, frame, offset, len(jpeg), width, height))
        padding = bytes(-len(jpeg) % tarfile.BLOCKSIZE)
        self._length += self._tar.write(b"".join((header, jpeg, padding)))


def _tar_header(name: str, size: int) -> bytes:
    """Return the header of a plain file without owner and time: equal frames give equal bytes."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
