"""Person boxes per keyframe, proposed by a detector: published or one's own files.

A table of proposals has the columns video_id, timestamp (seconds), x1, y1, x2, y2 (fractions of
width and height, x to the right and y down) and score (0 to 1). What was left out on the way to it
stands in `attrs["dropped"]`: reason to number of boxes.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.annotations.csv_columns import Layout, Value, read_columns
from pipeline.annotations.csv_columns import rows as csv_rows
from pipeline.annotations.keyframes import keyframe_keys
from pipeline.core.atomic import written
from pipeline.core.tables import joined_ranges, spelled_out
from pipeline.people.box_pickle import load_arrays

logger = logging.getLogger(__name__)

BOX = ["x1", "y1", "x2", "y2"]
COLUMNS = ["video_id", "timestamp", *BOX, "score"]
SCHEMA = pa.schema({name: pa.string() if name == "video_id" else pa.float64() for name in COLUMNS})
_EXACT = {"video_id": pa.string(), **dict.fromkeys(COLUMNS[1:], pa.float64())}
_TYPES = {"video_id": "str", **dict.fromkeys(COLUMNS[1:], "float64")}
_LONGEST_NAME = 255  # characters of a video's name: no file could have more

Array = npt.NDArray[np.float64]


def read_proposals(path: Path) -> pd.DataFrame:
    """Read proposals from a published pickle (.pkl), a .csv or a .parquet, as the ending says.

    A pickle maps "video,ssss" (or "video,%.6f") to [N, 4 or 5] boxes; a csv has the columns in the
    order of `COLUMNS`, with or without a header and quotes; the score may be left out of either and
    is 1 then. Ids are brought into Unicode's form NFC.
    Boxes that reach a little over the frame's edge are cut there, with a count in the log; those
    without area are dropped. Numbers that are not finite or far out of range refuse the file.

    Raises:
        ValueError: the first mistake: where, what was found, what was expected.
    """
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".pkl": _read_pickle,
        ".csv": _read_csv,
        ".parquet": _read_parquet,
    }
    if path.suffix not in readers:
        raise ValueError(f"{path}: found the ending {path.suffix!r}, expected {list(readers)}")
    proposals = readers[path.suffix](path)
    proposals.attrs["source"] = str(path)
    return _cut_to_frame(path, proposals)


def select_proposals(proposals: pd.DataFrame, keyframes: pd.DataFrame) -> pd.DataFrame:
    """Return the proposals of these keyframes, each once: by keyframe, best first, then by box."""
    keys, wanted = keyframe_keys(proposals, keyframes)
    mine = proposals.assign(keyframe=keys)[np.isin(keys, wanted)]
    order = np.lexsort(
        [mine[name].to_numpy() for name in reversed(BOX)]
        + [-mine["score"].to_numpy(), mine["keyframe"].to_numpy()]
    )
    once = mine.iloc[order].drop_duplicates(["keyframe", *BOX, "score"])
    selected = once[COLUMNS].reset_index(drop=True)
    selected.attrs["dropped"] = {
        "other_keyframe": len(proposals) - len(mine),
        "duplicate": len(mine) - len(once),
    }
    return selected


def write_proposals(path: Path, proposals: pd.DataFrame) -> None:
    """Write proposals as parquet; equal tables give equal bytes."""
    columns = [pa.array(proposals[name].to_numpy(), SCHEMA.field(name).type) for name in COLUMNS]
    with written(path) as temporary:
        pq.write_table(pa.table(columns, schema=SCHEMA), temporary, compression="zstd")


def best_overlaps(ground_truth: pd.DataFrame, proposals: pd.DataFrame) -> Array:
    """Return [ground truth rows] the best IoU of each box with a proposal of its keyframe.

    The share at or above 0.5 is the recall: no later detector can find more persons than that.
    """
    ground_truth_keys, keys = keyframe_keys(ground_truth, proposals)
    order = np.argsort(keys, kind="stable")
    keys, boxes = keys[order], proposals[BOX].to_numpy(np.float64)[order]
    first, after = (
        np.searchsorted(keys, ground_truth_keys),
        np.searchsorted(keys, ground_truth_keys, "right"),
    )
    ground_truth_boxes = ground_truth[BOX].to_numpy(np.float64)
    best = np.zeros(len(ground_truth))
    # A few thousand ground truth boxes at a time: all pairs at once would not fit.
    for rows in np.array_split(np.arange(len(ground_truth)), len(ground_truth) // 20_000 + 1):
        counts = after[rows] - first[rows]
        pair_rows = np.repeat(rows, counts)
        overlaps = _pair_iou(
            ground_truth_boxes[pair_rows], boxes[joined_ranges(first[rows], counts)]
        )
        np.maximum.at(best, pair_rows, overlaps)
    return best


def _pair_iou(a: Array, b: Array) -> Array:
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    overlap = sides.clip(min=0).prod(axis=1)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - overlap
    iou: Array = overlap / np.maximum(union, 1e-12)
    return iou


def _read_pickle(path: Path) -> pd.DataFrame:
    value = load_arrays(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path}: found a {type(value).__name__}, expected a dict of keyframes")
    videos, seconds, blocks = [], [], []
    num_numbers, num_bytes = 0, path.stat().st_size
    for key, boxes in value.items():
        video, timestamp = _parsed_key(path, key)
        videos.append(video)
        seconds.append(timestamp)
        blocks.append(_boxes_and_scores(path, str(key), boxes))
        num_numbers += blocks[-1][:, :4].size
        if num_numbers > num_bytes:  # each takes a byte of the file at least, unless it is shared
            raise ValueError(f"{path}: found more numbers than its {num_bytes} bytes can hold")
    counts = [len(block) for block in blocks]
    numbers = np.concatenate([np.empty((0, 5)), *blocks])
    table = pd.DataFrame(
        {
            "video_id": np.repeat(np.array(videos, dtype=object), counts),
            "timestamp": np.repeat(np.array(seconds, dtype=np.float64), counts),
        }
    ).astype({"video_id": "str"})
    return table.assign(**{name: numbers[:, i] for i, name in enumerate([*BOX, "score"])})


def _parsed_key(path: Path, key: object) -> tuple[str, float]:
    video, comma, timestamp = str(key).rpartition(",")
    try:
        # Each row repeats the name, so a long one would take far more memory than the file.
        if isinstance(key, str) and comma and 0 < len(video) <= _LONGEST_NAME:
            return normalize("NFC", video), float(timestamp)
    except ValueError:
        pass
    raise ValueError(f"{path}: found key {str(key)[:80]!r}, expected 'video,seconds'")


def _boxes_and_scores(path: Path, key: str, boxes: object) -> Array:
    rows: Sequence[object] = boxes if isinstance(boxes, list) else []
    # Only flat rows may reach numpy: it would unfold whatever else hides in nested lists.
    lengths = {len(row) if isinstance(row, list) else -1 for row in rows}
    # And no long row that stands in the list many times.
    if isinstance(boxes, list) and lengths in (set(), {0}, {4}, {5}):
        flat = all(isinstance(n, int | float) for row in rows if isinstance(row, list) for n in row)
        try:
            boxes = np.array(rows, np.float64) if flat else None
        except OverflowError:  # a whole number beyond all floats
            boxes = None
    if isinstance(boxes, np.ndarray) and boxes.size == 0:
        return np.empty((0, 5))
    if not isinstance(boxes, np.ndarray) or boxes.ndim != 2 or boxes.shape[1] not in (4, 5):
        found = f"an array of {boxes.shape}" if isinstance(boxes, np.ndarray) else "no array"
        raise ValueError(f"{path}: {key}: found {found}, expected N boxes of 4 or 5 numbers")
    numbers = boxes.astype(np.float64)
    scores = np.ones((len(numbers), 1))
    return np.hstack([numbers, scores])[:, :5]


def _read_csv(path: Path) -> pd.DataFrame:
    number, first = next(csv_rows(path), (0, []))
    names = COLUMNS[: len(first)]
    if number and len(first) not in (len(COLUMNS) - 1, len(COLUMNS)):
        raise ValueError(f"{path}: found {len(first)} columns, expected {','.join(COLUMNS)}")
    has_header = bool(first) and not _is_number(first[1])
    if has_header and [name.strip().lower() for name in first] != names:
        raise ValueError(
            f"{path}: found the header {','.join(first)[:200]!r}, expected {','.join(names)}"
        )
    absent: dict[int, dict[str, Value]] = {len(names): {}}
    if "score" not in names:
        absent = {len(names): {"score": 1.0}}
    layout = Layout(_TYPES, absent, header=has_header)
    table = pd.DataFrame(read_columns(path, layout), copy=False)
    return table.assign(video_id=spelled_out(table["video_id"]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path)
        if missing := [name for name in COLUMNS if table.column_names.count(name) != 1]:
            raise ValueError(f"found columns {table.column_names}, expected {missing} once")
        table = table.select(COLUMNS).cast(pa.schema(_EXACT))
        if empty := [name for name in COLUMNS if table[name].null_count]:
            raise ValueError(f"found rows without {empty[0]}, expected a value in each")
        names = pc.utf8_normalize(table["video_id"], form="NFC")
        proposals: pd.DataFrame = table.set_column(0, "video_id", names).to_pandas()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    return proposals


def _cut_to_frame(path: Path, proposals: pd.DataFrame) -> pd.DataFrame:
    """Check the numbers, cut boxes at the frame's edge, drop what has no area left."""
    numbers = proposals[[*BOX, "score"]].to_numpy(np.float64)
    boxes, scores = numbers[:, :4], numbers[:, 4]
    # A detector may reach over the edge by a little; pixels instead of fractions, by far.
    strange = ~((boxes >= -1) & (boxes <= 2)).all(axis=1) | ~((scores >= 0) & (scores <= 1.001))
    if strange.any():
        row = int(np.argmax(strange))
        where = f"{proposals['video_id'].iloc[row]},{proposals['timestamp'].iloc[row]:g}"
        found = ", ".join(f"{number:g}" for number in numbers[row])
        raise ValueError(
            f"{path}: {where}: found {found}, expected x1, y1, x2, y2 as fractions of the frame "
            "and a score of 0 to 1"
        )
    cut = numbers.clip(0, 1)
    solid = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
    num_cut = int((cut != numbers).any(axis=1).sum())
    if num_cut or not solid.all():
        logger.info(
            "%s: %d of %d boxes cut at the edge of the frame, %d without area dropped",
            *(path.name, num_cut, len(cut), int((~solid).sum())),
        )
    columns = {name: cut[:, i] for i, name in enumerate([*BOX, "score"])}
    kept = proposals.assign(**columns)[solid].reset_index(drop=True)
    kept.attrs["dropped"] = {"without_area": int((~solid).sum())}
    return kept
