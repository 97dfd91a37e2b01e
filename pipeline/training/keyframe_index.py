"""The keyframes that training and evaluation read: `index/<split>.parquet` as a mapped Arrow file.

Arrow files are used where they lie: all workers of a process share one copy in memory, also
workers that are started anew, because only the path is sent to them.

G labelled persons  P detected persons of one keyframe
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.annotations.index_schema import INDEX_SCHEMA
from pipeline.core.own_files import own_temporary_folder
from pipeline.core.tables import MAKE_ANEW, read_parquet
from pipeline.models.roi_head import NUM_OUTPUTS

_UNUSED = ("subset", "shard")
_SCHEMA = pa.schema([field for field in INDEX_SCHEMA if field.name not in _UNUSED])

Boxes = npt.NDArray[np.float64]  # [N, 4] corners x1, y1, x2, y2

WHOLE_FRAME = np.array([[0, 0, 1, 1]], np.float64)


class KeyframeIndex:
    """The columns of an index, mapped into memory from a temporary Arrow file.

    The file is deleted with the index that wrote it; a killed process leaves it in the system's
    temporary folder.

    Attributes:
        video_id, clip: [keyframes] Arrow texts.
        timestamp, frame, last_frame: [keyframes] numbers.
        size: [keyframes, 2] width and height in pixels.
    """

    def __init__(self, table: pa.Table) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix="index-", dir=own_temporary_folder(), ignore_cleanup_errors=True
        )
        path = Path(self._folder.name) / "keyframes.arrow"
        _write_arrow(table, path)
        self._open(path)

    def _open(self, path: Path) -> None:
        self.path = path
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        self.video_id: pa.StringArray = batch["video_id"]
        self.clip: pa.StringArray = batch["clip"]
        self.timestamp: npt.NDArray[np.float64] = batch["timestamp"].to_numpy()
        self.frame: npt.NDArray[np.int64] = batch["frame"].to_numpy()
        self.last_frame: npt.NDArray[np.int64] = batch["last_frame"].to_numpy()
        self.size: npt.NDArray[np.int32] = batch["size"].flatten().to_numpy().reshape(-1, 2)
        self._boxes: pa.ListArray = batch["boxes"]
        self._proposals: pa.ListArray = batch["proposals"]
        self._labels: pa.ListArray = batch["labels"]

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._open(state["path"])

    def __len__(self) -> int:
        return len(self.clip)

    def stored_size(self, row: int) -> tuple[int, int]:
        """Return width and height of a keyframe's frames, in pixels."""
        width, height = self.size[row].tolist()
        return width, height

    def ground_truth(self, row: int) -> Boxes:
        """Return [G, 4] boxes of the labelled persons, fractions of the frame."""
        boxes: Boxes = self._boxes[row].values.to_numpy()
        return boxes.reshape(-1, 4)

    def labels(
        self,
        rows: npt.NDArray[np.int64],
        persons: npt.NDArray[np.int64],
        num_outputs: int = NUM_OUTPUTS,
    ) -> npt.NDArray[np.float32]:
        """Return [N, K] actions of labelled persons, 0 or 1.

        Args:
            rows: [N] keyframe of each.
            persons: [N] number of each among the keyframe's labelled persons.
            num_outputs: K, one column per class id.
        """
        labels = np.zeros((len(rows), num_outputs), np.float32)
        for label, row, person in zip(labels, rows.tolist(), persons.tolist(), strict=True):
            label[self._labels[row].values[person].values.to_numpy()] = 1
        return labels

    def proposals(self, row: int, min_score: float) -> Boxes:
        """Return [P, 4] boxes of detected persons, fractions of the frame.

        If no box reaches `min_score`, the best ones are used; without any box, the whole frame.
        """
        found: Boxes = self._proposals[row].values.to_numpy().reshape(-1, 5)
        if not len(found):
            return WHOLE_FRAME
        scores = found[:, 4].astype(np.float32)  # a published 0.9 is float32's
        return found[scores >= min(np.float32(min_score), scores.max()), :4]


def read_index(path: Path, labelled_only: bool = False) -> KeyframeIndex:
    """Read an index file.

    Args:
        path: a parquet file with `INDEX_SCHEMA`.
        labelled_only: leave out keyframes without labelled persons.
    """
    table = read_parquet(path, _SCHEMA)
    if what := _misfit(table):
        raise ValueError(f"{path}: found {what}, expected an index of keyframes; {MAKE_ANEW}")
    if labelled_only:
        table = table.filter(pc.greater(pc.list_value_length(table["boxes"]), 0))
    return KeyframeIndex(table)


def _misfit(table: pa.Table) -> str:
    """Return what in an index does not fit together, or an empty text."""
    lengths = {
        name: pc.list_value_length(table[name]).to_numpy()
        for name in ("boxes", "labels", "proposals")
    }
    if (lengths["boxes"] != 4 * lengths["labels"]).any() or (lengths["proposals"] % 5).any():
        return "boxes that have not four numbers and a list of labels each"
    labels = pc.list_flatten(pc.list_flatten(table["labels"]))
    lowest = [
        pc.min(labels).as_py(),
        *(pc.min(table[name]).as_py() for name in ("width", "height")),
    ]
    if any(number is not None and number < 1 for number in lowest):
        return "a label or a size below 1"
    return ""


def _write_arrow(table: pa.Table, path: Path) -> None:
    """Write the columns that are used as one record batch, in the types in which they are used."""
    size = np.stack([table["width"].to_numpy(), table["height"].to_numpy()], axis=1)
    columns = {name: table[name].combine_chunks() for name in ("video_id", "clip", "timestamp")}
    for name in ("frame", "last_frame"):
        columns[name] = table[name].cast(pa.int64()).combine_chunks()
    columns["size"] = pa.FixedSizeListArray.from_arrays(size.ravel(), 2)
    columns |= {name: table[name].combine_chunks() for name in ("boxes", "labels", "proposals")}
    batch = pa.record_batch(columns)
    with pa.ipc.new_file(str(path), batch.schema) as writer:
        writer.write_batch(batch)
