"""What the frame store holds, told from its index files without touching a picture."""

from dataclasses import dataclass
from pathlib import Path

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
    clips, runs = [], []
    for path in sorted(folder.glob("*.parquet")):
        of_clips, of_runs = _read_shard(path)
        clips.append(of_clips)
        runs.append(of_runs)
    if not clips:
        raise ValueError(f"{folder}: found no index of stored frames, expected <shard>.parquet")
    all_clips, all_runs = pd.concat(clips), pd.concat(runs)
    all_clips = all_clips[~all_clips.index.duplicated()]
    first = all_clips["shard"].reindex(all_runs["clip"]).to_numpy() == all_runs["shard"].to_numpy()
    return StoredFrames(all_clips, all_runs[first].reset_index(drop=True))


def _read_shard(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        table = pq.read_table(path, columns=_COLUMNS, read_dictionary=["clip"])
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: {reason}, expected an index of stored frames") from None
    if table.column_names != _COLUMNS:
        raise ValueError(f"{path}: found columns {table.column_names}, expected {_COLUMNS}")
    names, codes = _dictionary(table)
    frames = table.column("frame").to_numpy().astype(np.int64)
    keys = (codes << 32) | frames
    order = np.arange(len(keys)) if (keys[1:] > keys[:-1]).all() else np.argsort(keys)
    keys, codes, frames = keys[order], codes[order], frames[order]

    # Within a run each frame is one more than the one before; so is its key.
    heads = np.flatnonzero(np.append(True, keys[1:] != keys[:-1] + 1)[: len(keys)])
    tails = np.append(heads[1:], len(keys))[: len(heads)] - 1
    runs = pd.DataFrame(
        {"clip": names[codes[heads]], "first": frames[heads], "last": frames[tails]}
    )
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])[: len(codes)])
    ends = np.append(starts[1:], len(codes))[: len(starts)] - 1
    clips = pd.DataFrame(
        {
            "shard": path.stem,
            "last_frame": frames[ends],
            "num_frames": ends - starts + 1,
            "width": table.column("width").to_numpy()[order[starts]].astype(np.int64),
            "height": table.column("height").to_numpy()[order[starts]].astype(np.int64),
        },
        index=pd.Index(names[codes[starts]], name="clip"),
    )
    return clips, runs.assign(shard=path.stem)


def _dictionary(table: pa.Table) -> tuple[npt.NDArray[np.object_], Integers]:
    """The distinct clip names of a table, and [rows] which of them each row has."""
    column = table.column("clip").unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # of no rows at all
        return np.empty(0, object), np.empty(0, np.int64)
    names = column.dictionary.to_numpy(zero_copy_only=False)
    return names, column.indices.to_numpy().astype(np.int64)
