"""What the frame store holds, told from its index files without touching a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Integers = npt.NDArray[np.int64]
_COLUMNS = ["clip", "frame", "width", "height"]


@dataclass(frozen=True)
class StoredFrames:
    """Clips and their frames.

    Attributes:
        clips: index clip; shard, last_frame, num_frames, width, height (of the first frame).
        runs: clip, first, last: unbroken stretches of stored frames, apart from each other.
    """

    clips: pd.DataFrame
    runs: pd.DataFrame

    def holds(
        self, clip: npt.NDArray[np.object_], low: Integers, high: Integers
    ) -> npt.NDArray[np.bool_]:
        """[N] whether frames low..high of each clip are stored, without a gap; no frame is not."""
        names = pd.concat([pd.Series(clip, dtype="str"), self.runs["clip"]], ignore_index=True)
        codes = pd.factorize(names)[0].astype(np.int64)
        mine, theirs = codes[: len(clip)], codes[len(clip) :]
        order = np.lexsort((self.runs["first"].to_numpy(), theirs))
        if not len(order):
            return np.zeros(len(clip), bool)
        theirs, ends = theirs[order], self.runs["last"].to_numpy()[order]
        begins = (theirs << 32) + self.runs["first"].to_numpy()[order]
        run = np.searchsorted(begins, (mine << 32) + low, side="right") - 1
        stored: npt.NDArray[np.bool_] = (run >= 0) & (theirs[run] == mine)
        return stored & (low <= high) & (high <= ends[run])


def read_stored_frames(folder: Path) -> StoredFrames:
    """Read `<shard>.parquet` of every shard; a clip in two shards counts in the first.

    Raises:
        ValueError: a file that is no such index.
    """
    shards = [_read_shard(path) for path in sorted(folder.glob("*.parquet"))]
    if not shards:
        raise ValueError(f"{folder}: found no index of stored frames, expected <shard>.parquet")
    clips, runs = (pa.concat_tables(tables).to_pandas() for tables in zip(*shards, strict=True))
    clips = clips.drop_duplicates("clip").set_index("clip")
    first = clips["shard"].reindex(runs["clip"]).to_numpy() == runs["shard"].to_numpy()
    return StoredFrames(clips, runs[first].reset_index(drop=True))


def _read_shard(path: Path) -> tuple[pa.Table, pa.Table]:
    """Clips and runs of one shard, with the shard's name."""
    try:
        with pq.ParquetFile(path, read_dictionary=["clip"]) as file:
            found = [name for name in file.schema_arrow.names if name in _COLUMNS]
            if found != _COLUMNS:
                raise ValueError(f"{path}: found columns {found}, expected {_COLUMNS}")
            # On one thread: starting others costs more than these few columns.
            table = file.read(_COLUMNS, use_threads=False)
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: {reason}, expected an index of stored frames") from None
    names, codes = _dictionary(table)
    frames = table.column("frame").to_numpy().astype(np.int64)
    keys = (codes << 32) | frames
    order = np.arange(len(keys)) if (keys[1:] > keys[:-1]).all() else np.argsort(keys)
    keys, codes, frames = keys[order], codes[order], frames[order]

    # Within a run each frame is one more than the one before; so is its key.
    heads, tails = _stretches(keys[1:] != keys[:-1] + 1, len(keys))
    runs = {"clip": names.take(codes[heads]), "first": frames[heads], "last": frames[tails]}
    starts, ends = _stretches(codes[1:] != codes[:-1], len(keys))
    clips = {
        "clip": names.take(codes[starts]),
        "last_frame": frames[ends],
        "num_frames": ends - starts + 1,
        "width": table.column("width").to_numpy()[order[starts]].astype(np.int64),
        "height": table.column("height").to_numpy()[order[starts]].astype(np.int64),
    }
    return _of_shard(path.stem, clips), _of_shard(path.stem, runs)


def _stretches(breaks: npt.NDArray[np.bool_], length: int) -> tuple[Integers, Integers]:
    """First and last position of each stretch of `length` rows, given [length - 1] breaks."""
    heads = np.flatnonzero(np.append(True, breaks)[:length])
    return heads, np.append(heads[1:], length)[: len(heads)] - 1


def _of_shard(shard: str, columns: dict[str, Any]) -> pa.Table:
    table = pa.table(columns)
    return table.append_column("shard", pa.repeat(pa.scalar(shard), len(table)))


def _dictionary(table: pa.Table) -> tuple[pa.Array, Integers]:
    """The distinct clip names of a table, and [rows] which of them each row has."""
    column = table.column("clip").unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # of no rows at all
        return pa.array([], pa.string()), np.empty(0, np.int64)
    return column.dictionary, column.indices.to_numpy().astype(np.int64)
