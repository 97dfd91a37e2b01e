"""Stored frames: per shard one tar of JPEGs, and one table that tells where in it each one lies.

A tar of a few GB is one file to the file system, to DVC and to `rm`; `tar tf` still lists it. Its
members are `<clip>/img_<number>.jpg`, numbers counted from 1 on the grid of `sampling.FPS`: plain
upright JPEGs.

T frames  H, W pixels.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import simplejpeg

Frames = npt.NDArray[np.uint8]

_COLUMNS = ["clip", "frame", "offset", "length", "width", "height"]


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
        """Names of the clips that have frames, ascending."""
        return list(self._open().spans)

    def __contains__(self, clip: object) -> bool:
        return clip in self._open().spans

    def numbers(self, clip: str) -> npt.NDArray[np.int32]:
        """Numbers of a clip's stored frames, ascending; ValueError if it has none."""
        tables = self._open()
        first, stop = self._span(clip)
        return tables.frames[first:stop]

    def first_frame(self, clip: str) -> int:
        """Number of a clip's first stored frame."""
        return int(self.numbers(clip)[0])

    def last_frame(self, clip: str) -> int:
        """Number of a clip's last stored frame."""
        return int(self.numbers(clip)[-1])

    def size(self, clip: str) -> tuple[int, int]:
        """Width and height of a clip's frames, in pixels."""
        width, height = self._open().sizes[self._span(clip)[0]]
        return int(width), int(height)

    def shard(self, clip: str) -> str:
        """Name of the shard that holds a clip's frames."""
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
        places = np.searchsorted(stored, numbers)
        found = stored[np.minimum(places, len(stored) - 1)] == numbers
        if not found.all():
            number = np.asarray(numbers)[~found][0]
            raise ValueError(
                f"{self._folder}: clip {clip} has no frame {number}, expected one of its "
                f"{len(stored)} from {stored[0]} to {stored[-1]}"
            )
        columns = tables.shards, tables.lengths, tables.offsets
        for number, shard, length, offset in zip(
            numbers, *(column[first + places].tolist() for column in columns), strict=True
        ):
            coded = os.pread(self._descriptor(shard), length, offset)
            if len(coded) != length:
                raise ValueError(f"{tables.tars[shard]}: ends within frame {number} of clip {clip}")
            yield coded

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


class _Tables:
    """The tables of a folder as arrays of R frames, sorted by clip and number.

    Python objects are kept per clip only: a large dataset has millions of frames.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("*.parquet"))
        if not paths:
            raise ValueError(f"{folder}: found no *.parquet, expected a table per shard")
        self.tars: list[Path] = [path.with_suffix(".tar") for path in paths]
        tables = [pq.read_table(path) for path in paths]
        for path, table in zip(paths, tables, strict=True):
            if table.schema.names != _COLUMNS:
                raise ValueError(f"{path}: found columns {table.schema.names}, expected {_COLUMNS}")
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
