"""What the frame store holds, told from its index files without touching a frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.tables import positions

Integers = npt.NDArray[np.int64]
_COLUMNS = ["clip", "frame", "width", "height"]


@dataclass(frozen=True)
class StoredFrames:
    """Clips and their frames.

    Attributes:
        clips: index clip; shard, last_frame, num_frames, width, height (of the first frame).
        runs: position (row of `clips`), first, last: unbroken intervals of stored frames, apart
            from each other, sorted by position and first.
    """

    clips: pd.DataFrame
    runs: pd.DataFrame

    def positions(self, clip: "pd.Series[str]") -> Integers:
        """Return [N] row of each clip in `clips`, -1 for one without frames."""
        return positions(clip, self.clips.index)

    def holds(self, positions: Integers, low: Integers, high: Integers) -> npt.NDArray[np.bool_]:
        """[N] whether frames low..high of each clip are stored, without a gap; no frame is not."""
        if not len(self.runs):
            return np.zeros(len(positions), bool)
        theirs, first, ends = (self.runs[name].to_numpy() for name in ("position", "first", "last"))
        begins = (theirs << 32) + first
        run = np.searchsorted(begins, (positions << 32) + low, side="right") - 1
        stored: npt.NDArray[np.bool_] = (run >= 0) & (theirs[run] == positions)
        return stored & (low <= high) & (high <= ends[run])


def read_stored_frames(folder: Path) -> StoredFrames:
    """Read `<shard>.parquet` of every shard; a clip in two shards counts in the first.

    Raises:
        ValueError: a file that is no such index.
    """
    shards = [_read_shard(path) for path in sorted(folder.glob("*.parquet"))]
    if not shards:
        raise ValueError(f"{folder}: found no index of stored frames, expected <shard>.parquet")
    clips: pd.DataFrame = pa.concat_tables([clips for clips, _ in shards]).to_pandas()
    names = ("position", "first", "last")
    runs = pd.DataFrame(
        {name: np.concatenate([runs[name] for _, runs in shards]) for name in names}
    )
    before = np.cumsum([0, *(len(clips) for clips, _ in shards)])[:-1]  # clips of earlier shards
    runs["position"] += np.repeat(before, [len(runs["first"]) for _, runs in shards])
    again = clips["clip"].duplicated().to_numpy()
    runs = runs[~again[runs["position"]]].reset_index(drop=True)
    runs["position"] = (np.cumsum(~again) - 1)[runs["position"]]
    return StoredFrames(clips[~again].set_index("clip"), runs)


def _read_shard(path: Path) -> tuple[pa.Table, dict[str, Integers]]:
    """Return clips of one shard, and the columns of `StoredFrames.runs`."""
    try:
        with pq.ParquetFile(path, read_dictionary=["clip"]) as file:
            found = [name for name in file.schema_arrow.names if name in _COLUMNS]
            if found != _COLUMNS:
                raise ValueError(f"{path}: found columns {found}, expected {_COLUMNS}")
            # On one thread: starting others costs more than these few columns.
            table = file.read(_COLUMNS, use_threads=False)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, LookupError, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: {reason}, expected an index of stored frames") from None
    names, codes = _dictionary(table)
    # As narrow as they are stored: there are twenty million of them in a large dataset.
    frames = table.column("frame").to_numpy()
    width, height = (table.column(name).to_numpy() for name in ("width", "height"))
    step, other = np.diff(frames), codes[1:] != codes[:-1]
    if not np.where(other, codes[1:] > codes[:-1], step > 0).all():
        order = np.lexsort((frames, codes))
        codes, frames, width, height = (each[order] for each in (codes, frames, width, height))
        step, other = np.diff(frames), codes[1:] != codes[:-1]

    # Within a run each frame is one more than the one before.
    heads, tails = _intervals(other | (step != 1), len(frames))
    starts, ends = _intervals(other, len(frames))
    runs = {"first": frames[heads].astype(np.int64), "last": frames[tails].astype(np.int64)}
    runs["position"] = np.searchsorted(starts, heads, side="right") - 1
    clips = {
        "clip": names.take(codes[starts]),
        "shard": pa.repeat(pa.scalar(path.stem), len(starts)),
        "last_frame": frames[ends].astype(np.int64),
        "num_frames": ends - starts + 1,
        "width": width[starts].astype(np.int64),
        "height": height[starts].astype(np.int64),
    }
    return pa.table(clips), runs


def _intervals(breaks: npt.NDArray[np.bool_], length: int) -> tuple[Integers, Integers]:
    """First and last position of each interval of `length` rows, given [length - 1] breaks."""
    heads = np.flatnonzero(np.append(True, breaks)[:length])
    return heads, np.append(heads[1:], length)[: len(heads)] - 1


def _dictionary(table: pa.Table) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """Return the distinct clip names of a table, and [rows] which of them each row has."""
    column = table.column("clip").unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # of no rows at all
        return pa.array([], pa.string()), np.empty(0, np.int32)
    return column.dictionary, column.indices.to_numpy()
