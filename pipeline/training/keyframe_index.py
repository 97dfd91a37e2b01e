"""The table of keyframes that training and evaluation read: `index/<split>.parquet` in memory.

G labelled people  P detected people of one keyframe
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Boxes = npt.NDArray[np.float64]  # [N, 4] corners x1, y1, x2, y2

NUM_OUTPUTS = 81  # a column is an AVA action id; column 0 is never used
WHOLE_FRAME = np.array([[0, 0, 1, 1]], np.float64)


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths in one array, which forked workers share."""

    values: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.int64]

    def __getitem__(self, row: int) -> npt.NDArray[np.float64]:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


class KeyframeIndex:
    """`index/<split>.parquet` in memory.

    Attributes:
        video_id, timestamp, clip, frame, last_frame, size: [keyframes] columns; size is [.., 2].
    """

    def __init__(self, table: pa.Table, where: str) -> None:
        self.where = where
        self.video_id: list[str] = table["video_id"].to_pylist()
        self.timestamp: npt.NDArray[np.float64] = table["timestamp"].to_numpy()
        self.clip: list[str] = table["clip"].to_pylist()
        self.frame = table["frame"].to_numpy().astype(np.int64)
        self.last_frame = table["last_frame"].to_numpy().astype(np.int64)
        self.size = np.stack([table["width"].to_numpy(), table["height"].to_numpy()], axis=1)
        self._boxes = _ragged(table["boxes"])
        self._proposals = _ragged(table["proposals"])
        self._labels: pa.ListArray = table["labels"].combine_chunks()

    def __len__(self) -> int:
        return len(self.clip)

    def truth(self, row: int) -> Boxes:
        """[G, 4] boxes of the labelled people, fractions of the still."""
        return self._boxes[row].reshape(-1, 4)

    def labels(self, row: int) -> npt.NDArray[np.float32]:
        """[G, 81] actions of the labelled people, 0 or 1."""
        people = self._labels[row].as_py() or []
        labels = np.zeros((len(people), NUM_OUTPUTS), np.float32)
        for person, actions in enumerate(people):
            labels[person, actions] = 1
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


def _ragged(column: pa.ChunkedArray) -> Ragged:
    lists = column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):  # no rows at all
        return Ragged(np.zeros(0), np.zeros(1, np.int64))
    start, stop = lists.offsets[0].as_py(), lists.offsets[-1].as_py()
    values = lists.values.to_numpy(zero_copy_only=False)[start:stop]
    return Ragged(values, lists.offsets.to_numpy().astype(np.int64) - start)
