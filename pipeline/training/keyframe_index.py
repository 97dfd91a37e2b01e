"""The table of keyframes that training and evaluation read: `index/<split>.parquet` in memory.

It lies in a file without a name that is mapped into memory: workers that are started anew get the
file, not a copy of what is in it.

G labelled people  P detected people of one keyframe
"""

import mmap
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.joined_ranges import joined_ranges
from pipeline.models.heads import NUM_OUTPUTS

Boxes = npt.NDArray[np.float64]  # [N, 4] corners x1, y1, x2, y2

WHOLE_FRAME = np.array([[0, 0, 1, 1]], np.float64)


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths in one array."""

    values: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int32]

    def __getitem__(self, row: int) -> npt.NDArray[np.float64]:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


class Texts(Sequence[str]):
    """A column of texts that makes no Python object before it is asked for one."""

    def __init__(self, column: pa.StringArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            texts: list[str] = self._column[row].to_pylist()
            return texts
        return str(self._column[int(row)].as_py())


class KeyframeIndex:
    """`index/<split>.parquet` in memory.

    Attributes:
        video_id, timestamp, clip, frame, last_frame, size: [keyframes] columns; size is [.., 2].
    """

    def __init__(self, table: pa.Table, where: str) -> None:
        self._open(_unnamed_file(table), where)

    def _open(self, descriptor: int, where: str) -> None:
        self.where = where
        self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)  # keeps the file open
        self._descriptor = descriptor
        table = pa.ipc.open_file(pa.py_buffer(self._map)).read_all()
        columns = {name: _whole(table[name]) for name in table.column_names}
        self.video_id, self.clip = Texts(columns["video_id"]), Texts(columns["clip"])
        self.timestamp: npt.NDArray[np.float64] = columns["timestamp"].to_numpy()
        self.frame: npt.NDArray[np.int64] = columns["frame"].to_numpy()
        self.last_frame: npt.NDArray[np.int64] = columns["last_frame"].to_numpy()
        self.size: npt.NDArray[np.int32] = columns["size"].flatten().to_numpy().reshape(-1, 2)
        self._boxes, self._proposals = _ragged(columns["boxes"]), _ragged(columns["proposals"])
        labels: pa.ListArray = columns["labels"]
        self._first_person, self._first_action = _offsets(labels), _offsets(labels.values)
        self._actions: npt.NDArray[np.int64] = labels.values.values.to_numpy(zero_copy_only=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"file": DupFd(self._descriptor), "where": self.where}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._open(state["file"].detach(), state["where"])

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def __len__(self) -> int:
        return len(self.clip)

    def stored_size(self, row: int) -> tuple[int, int]:
        """Width and height of a keyframe's stills, in pixels."""
        width, height = self.size[row]
        return int(width), int(height)

    def ground_truth(self, row: int) -> Boxes:
        """[G, 4] boxes of the labelled people, fractions of the still."""
        return self._boxes[row].reshape(-1, 4)

    def labels(
        self, rows: npt.NDArray[np.int64], people: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """[N, 81] actions of labelled people, 0 or 1.

        Args:
            rows: [N] keyframe of each, people: [N] which of its people.
        """
        place = self._first_person[rows] + people
        first = self._first_action[place]
        numbers = self._first_action[place + 1] - first
        labelled = np.repeat(np.arange(len(place)), numbers)
        labels = np.zeros((len(place), NUM_OUTPUTS), np.float32)
        labels[labelled, self._actions[joined_ranges(first, numbers)]] = 1
        return labels

    def proposals(self, row: int, min_score: float) -> Boxes:
        """[P, 4] detected people; only the best where none is sure; the whole frame where none is.

        Args:
            min_score: kept from here on, or from the frame's best score if that is lower.
        """
        found = self._proposals[row].reshape(-1, 5)
        if not len(found):
            return WHOLE_FRAME
        scores = found[:, 4].astype(np.float32)  # a published 0.9 is float32's
        return found[scores >= min(np.float32(min_score), scores.max()), :4]


def read_index(path: Path, labelled_only: bool = False) -> KeyframeIndex:
    """Read an index file; `labelled_only` leaves out keyframes without people."""
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {error}, expected an index of keyframes") from None
    if labelled_only:
        table = table.filter(pc.greater(pc.list_value_length(table["boxes"]), 0))
    return KeyframeIndex(table, str(path))


def _unnamed_file(table: pa.Table) -> int:
    """Write a table to a file that ends with its last user; returns its descriptor.

    Numbers get the types in which they are used, so that reading them copies nothing.
    """
    size = np.stack([table["width"].to_numpy(), table["height"].to_numpy()], axis=1)
    used = table.select(["video_id", "clip", "timestamp", "boxes", "labels", "proposals"])
    for name in ("frame", "last_frame"):
        used = used.append_column(name, table[name].cast(pa.int64()))
    used = used.append_column("size", pa.FixedSizeListArray.from_arrays(size.ravel(), 2))
    with tempfile.TemporaryFile() as file:
        with pa.ipc.new_file(file, used.schema) as writer:
            writer.write_table(used.combine_chunks())
        file.flush()
        return os.dup(file.fileno())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _ragged(lists: pa.ListArray) -> Ragged:
    return Ragged(lists.values.to_numpy(zero_copy_only=False), _offsets(lists))


def _offsets(lists: pa.ListArray) -> npt.NDArray[np.int32]:
    """[len + 1] where each list starts and the last one ends."""
    offsets: npt.NDArray[np.int32] = lists.offsets.to_numpy()
    return offsets if len(offsets) else np.zeros(1, np.int32)
