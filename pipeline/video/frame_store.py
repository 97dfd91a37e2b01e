"""Stored frames: per shard one tar of JPEGs, and one table that tells where in it each one lies.

A tar of a few GB is one file to the file system, to DVC and to `rm`; `tar tf` still lists it. Its
members are `<clip>/img_<number>.jpg`, numbers counted from 1 on the grid of `sampling.FPS`: plain
upright JPEGs.

T frames  H, W pixels.
"""

import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import simplejpeg

from pipeline.core.atomic import written
from pipeline.core.tables import MAKE_ANEW, read_parquet

Frames = npt.NDArray[np.uint8]

MAX_SIDE_PX = 32767  # sides are kept as int16
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


class FrameStore:
    """Reads the frames of all shards in a folder.

    Cheap to make and to pickle: the tables and tars are opened at first use, in each process. A
    forked process shares what its parent had opened; reading moves no file position.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables: _Tables | None = None
        self._descriptors: dict[int, int] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_tables": None, "_descriptors": {}}

    def __del__(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)

    def clips(self) -> list[str]:
        """Return names of the clips that have frames, ascending."""
        return list(self._open().spans)

    def __contains__(self, clip: object) -> bool:
        return clip in self._open().spans

    def numbers(self, clip: str) -> npt.NDArray[np.int32]:
        """Return numbers of a clip's stored frames, ascending; ValueError if it has none."""
        tables = self._open()
        first, stop = self._span(clip)
        return tables.frames[first:stop]

    def first_frame(self, clip: str) -> int:
        """Return number of a clip's first stored frame."""
        return int(self.numbers(clip)[0])

    def last_frame(self, clip: str) -> int:
        """Return number of a clip's last stored frame."""
        return int(self.numbers(clip)[-1])

    def size(self, clip: str) -> tuple[int, int]:
        """Return width and height of a clip's frames, in pixels."""
        width, height = self._open().sizes[self._span(clip)[0]]
        return int(width), int(height)

    def shard(self, clip: str) -> str:
        """Return the name of the shard that holds a clip's frames."""
        tables = self._open()
        first, _ = self._span(clip)
        return tables.tars[int(tables.shards[first])].stem

    def jpeg(self, clip: str, number: int) -> bytes:
        """Return the encoded bytes of one frame; ValueError if it is not stored."""
        return next(self.jpegs(clip, [number]))

    def jpegs(self, clip: str, numbers: Sequence[int] | npt.NDArray[np.integer]) -> Iterator[bytes]:
        """Yield the encoded bytes of frames of a clip; ValueError names one that is not stored."""
        tables, (first, stop) = self._open(), self._span(clip)
        stored = tables.frames[first:stop]
        positions = np.searchsorted(stored, numbers)
        found = stored[np.minimum(positions, len(stored) - 1)] == numbers
        if not found.all():
            number = np.asarray(numbers)[~found][0]
            raise ValueError(
                f"{self._folder}: clip {clip} has no frame {number}, expected one of its "
                f"{len(stored)} from {stored[0]} to {stored[-1]}"
            )
        columns = tables.shards, tables.lengths, tables.offsets
        for number, shard, length, offset in zip(
            numbers, *(column[first + positions].tolist() for column in columns), strict=True
        ):
            encoded = os.pread(self._descriptor(shard), length, offset)
            if len(encoded) != length:
                raise ValueError(f"{tables.tars[shard]}: ends within frame {number} of clip {clip}")
            yield encoded

    def decode(self, clip: str, numbers: Sequence[int] | npt.NDArray[np.integer]) -> Frames:
        """Decode frames of one clip.

        Args:
            numbers: [T] stored frame numbers, in any order.

        Returns: [T, H, W, 3] RGB, 0..255.

        Raises: ValueError naming the clip and the frame that is not stored, broken, or of another
            size.
        """
        width, height = self.size(clip)
        images: Frames = np.empty((len(numbers), height, width, 3), np.uint8)
        self.decode_into(images, clip, numbers)
        return images

    def decode_into(
        self, images: Frames, clip: str, numbers: Sequence[int] | npt.NDArray[np.integer]
    ) -> None:
        """`decode` into memory that is there; a number that stands twice is decoded once.

        Args:
            images: [T, H, W, 3] of the clip's size; a slice of larger images costs a copy.
        """
        first_at: dict[int, int] = {}
        encoded = zip(map(int, numbers), self.jpegs(clip, numbers), strict=True)
        for position, (number, jpeg) in enumerate(encoded):
            first = first_at.setdefault(number, position)
            if first != position:
                images[position] = images[first]
                continue
            try:
                _decode(jpeg, images[position])
            except ValueError as error:
                where = f"{self._folder}: frame {number} of clip {clip}"
                raise ValueError(f"{where} {error}") from error

    def _open(self) -> "_Tables":
        if self._tables is None:
            self._tables = _Tables(self._folder)
        return self._tables

    def _span(self, clip: str) -> tuple[int, int]:
        span = self._open().spans.get(clip)
        if span is None:
            raise ValueError(f"{self._folder}: no frames of clip {clip}")
        return span

    def _descriptor(self, shard: int) -> int:
        if shard not in self._descriptors:
            tar = self._open().tars[shard]
            self._descriptors[shard] = os.open(tar, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptors[shard]


def _decode(jpeg: bytes, image: Frames) -> None:
    """Decode into [H, W, 3]; ValueError says that the JPEG is broken or has another size."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(jpeg)
        if (height, width) == image.shape[:2]:
            if image.flags.c_contiguous:
                simplejpeg.decode_jpeg(jpeg, "RGB", buffer=image)
            else:
                image[:] = simplejpeg.decode_jpeg(jpeg, "RGB")
            return
    except ValueError as error:
        raise ValueError(f"is no whole JPEG: {error}") from error
    raise ValueError(f"is {width} x {height}, expected {image.shape[1]} x {image.shape[0]}")


def _read_table(path: Path) -> pa.Table:
    """Read the table of a shard; ValueError if it does not fit the tar beside it."""
    table, tar = read_parquet(path, _SCHEMA), path.with_suffix(".tar")
    if not len(table):
        return table
    size = tar.stat().st_size
    ends = pc.add(table["offset"], pc.cast(table["length"], pa.int64()))
    fits = [pc.min(table[name]).as_py() > 0 for name in ("width", "height")]
    fits += [pc.max(table[name]).as_py() <= MAX_SIDE_PX for name in ("width", "height")]
    fits += [pc.min(table[name]).as_py() >= 0 for name in ("offset", "length")]
    fits += [pc.max(ends).as_py() <= size]
    if not all(fits):
        raise ValueError(f"{path}: found frames that cannot lie in {tar.name}; {MAKE_ANEW}")
    return table


class _Tables:
    """The tables of a folder as arrays of R frames, sorted by clip and number.

    Python objects are kept per clip only: a large dataset has millions of frames.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("*.parquet"))
        if not paths:
            raise ValueError(f"{folder}: found no *.parquet, expected a table per shard")
        self.tars: list[Path] = [path.with_suffix(".tar") for path in paths]
        tables = [_read_table(path) for path in paths]
        shards = [np.full(len(t), i, dtype=np.int16) for i, t in enumerate(tables)]
        joined = pa.concat_tables(tables).append_column("shard", pa.array(np.concatenate(shards)))
        joined = joined.sort_by([("clip", "ascending"), ("frame", "ascending")])

        def column(name: str) -> npt.NDArray[np.int64]:
            array: npt.NDArray[np.int64] = joined.column(name).to_numpy()
            return array

        self.frames = column("frame").astype(np.int32)
        self.offsets = column("offset")
        self.lengths = column("length").astype(np.int32)
        self.shards = column("shard").astype(np.int16)
        self.sizes = np.stack([column("width"), column("height")], axis=1).astype(np.int16)
        runs = pc.run_end_encode(joined.column("clip").combine_chunks())
        stops = runs.run_ends.to_pylist()
        self.spans: dict[str, tuple[int, int]] = dict(
            zip(runs.values.to_pylist(), zip([0, *stops], stops, strict=False), strict=True)
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
