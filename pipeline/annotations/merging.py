"""Join ground truth, proposals and stored frames into the index that training and scoring read.

Everything here is a function of its tables and not of their row order: rows are sorted, equal rows
count once, and whatever is left out is counted under its reason.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.annotations.class_list import AVA_OUTPUTS
from pipeline.annotations.index_schema import INDEX_SCHEMA
from pipeline.annotations.keyframes import (
    annotated_keyframes,
    choose_clips,
    keyframe_keys,
    keyframe_numbers,
    sorted_positions,
)
from pipeline.core.tables import joined_ranges, positions
from pipeline.sampling import FPS
from pipeline.video.stored_frames import StoredFrames

BOX = ["x1", "y1", "x2", "y2"]

# A keyframe this far behind a clip's last frame still shows the annotated second: files end a few
# frames early more often than not.
SLACK_FRAMES = FPS // 2

# Why a row is not in the index; the first that applies counts. 0 stands for rows that are in it.
REASONS = (
    "",
    "excluded",
    "outside every clip",
    "missing video",
    "damaged",
    "frames short",
    "class outside the list",
    "degenerate box",
    "duplicate row",
)

WHOLE_FRAME = np.array([0, 0, 1, 1, 1], np.float64)  # used where no person was proposed

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MergedSubset:
    """One subset's rows of the index, and where everything else went.

    Attributes:
        index: rows of `INDEX_SCHEMA` without proposals, sorted by video and timestamp.
        clips: clip; keyframes (wanted), kept (in the index), boxes (of the wanted keyframes).
        counts: rows read, rows dropped by reason, keyframes, boxes and labels kept.
        labels: [classes from 0, reasons] rows of the ground truth, class 0 for empty keyframes, the
            last one for all ids from there on.
    """

    index: pa.Table
    clips: pd.DataFrame
    counts: dict[str, int]
    labels: Integers


def merge_subset(
    subset: str,
    ground_truth: pd.DataFrame,
    excluded: pd.DataFrame,
    clips: pd.DataFrame,
    stored: StoredFrames,
    lost: "pd.Series[str]",
    window: tuple[int, int],
    outputs: int = AVA_OUTPUTS,
) -> MergedSubset:
    """Return the index of one subset, but for its proposals.

    Args:
        ground_truth: as from `read_ground_truth`.
        excluded: as from `read_exclusions`.
        clips: the subset's rows of the clip table, without those for pretraining only.
        lost: what happened to each clip, by clip: empty, or a kind of `coverage.lost_clips`.
        window: stored frames needed before and after a keyframe.
        outputs: of the classifier; action ids from there on cannot be learned.
    """
    keyframes, indices = annotated_keyframes(ground_truth, excluded)
    keyframes = locate_keyframes(keyframes, clips, stored, lost, window)
    kept = (keyframes["reason"] == 0).to_numpy()

    rows = _sorted_rows(ground_truth, indices, outputs)
    reasons = _dropped_rows(rows, keyframes["reason"].to_numpy(), outputs)
    counts = {"rows": len(ground_truth)} | {
        f"dropped_{reason.replace(' ', '_')}": int((reasons == code).sum())
        for code, reason in enumerate(REASONS)
        if reason
    }
    people = rows[(reasons == 0) & (rows["action_id"] != 0).to_numpy()]
    positions = np.cumsum(kept) - 1
    people = people.assign(keyframe=positions[people["keyframe"].to_numpy()])

    index = keyframes[kept].reset_index(drop=True)
    columns: dict[str, Any] = {"subset": pa.array([subset] * len(index), pa.string())}
    for name in INDEX_SCHEMA.names[1:9]:
        columns[name] = pa.array(index[name], INDEX_SCHEMA.field(name).type)
    columns |= _ground_truth_lists(people, len(index))
    counts |= {
        "keyframes": len(index),
        "keyframes_without_people": len(index) - people["keyframe"].nunique(),
        "boxes": len(columns["labels"].flatten()),
        "labels": len(people),
    }
    shape = outputs + 1, len(REASONS)
    cells = rows["action_id"].to_numpy().astype(np.int64) * shape[1] + reasons
    labels = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    return MergedSubset(pa.table(columns), _per_clip(keyframes, rows, clips), counts, labels)


def with_proposals(index: pa.Table, proposals: pd.DataFrame) -> pa.Table:
    """Give each keyframe its proposals, best first, or the whole frame where there is none.

    Args:
        index: rows of `INDEX_SCHEMA` without proposals.
        proposals: video_id, timestamp, x1, y1, x2, y2, score; other keyframes are passed over.
    """
    wanted, keys = keyframe_keys(index.select(["video_id", "timestamp"]).to_pandas(), proposals)
    # Asked for positions, numpy sorts; else it hashes, which takes long where rows are in order.
    distinct, _ = np.unique(wanted, return_index=True)
    indices = np.searchsorted(distinct, keys)
    mine = np.append(distinct, -1)[indices] == keys
    missing = np.delete(distinct, indices[mine])
    numbers = proposals[[*BOX, "score"]].to_numpy(np.float64)[mine]
    numbers = np.vstack([numbers, np.tile(WHOLE_FRAME, (len(missing), 1))])
    keys = np.concatenate([keys[mine], missing])
    boxes = dict(zip(BOX, numbers.T, strict=False))
    order = sorted_positions({"keyframe": keys, "score": -numbers[:, 4], **boxes})
    keys, numbers = keys[order], numbers[order]
    # Two subsets may share a video: each keyframe of either takes its own copy of the rows.
    first, after = np.searchsorted(keys, wanted), np.searchsorted(keys, wanted, side="right")
    offsets = np.append(0, np.cumsum(after - first))
    rows = joined_ranges(first, after - first)
    lists = pa.ListArray.from_arrays(
        pa.array(offsets * 5, pa.int32()), pa.array(numbers[rows].ravel())
    )
    return index.append_column(INDEX_SCHEMA.field("proposals"), lists)


def locate_keyframes(
    keyframes: pd.DataFrame,
    clips: pd.DataFrame,
    stored: StoredFrames,
    lost: "pd.Series[str]",
    window: tuple[int, int],
) -> pd.DataFrame:
    """Find each keyframe's clip and frames.

    Returns: video_id, timestamp, clip, shard, frame, last_frame, width, height; clip_index: the
        clip's position among `clips` or -1; and reason: 0, or the position in `REASONS` of why the
        keyframe cannot be used; the rest is void then.

    Args:
        keyframes, clips, stored, lost, window: as for `merge_subset`.
    """
    chosen = choose_clips(keyframes, clips)
    start = np.append(clips["start_seconds"].to_numpy(), 0.0)[chosen]  # the last, at -1: no clip
    frame = keyframe_numbers(keyframes["timestamp"].to_numpy(), start)
    indices = np.append(stored.positions(clips["clip"]), -1)[chosen]
    shape = {
        name: np.append(stored.clips[name].to_numpy(np.int64), 0)[indices]
        for name in ("last_frame", "width", "height")
    }
    last = shape["last_frame"]
    low, high = np.maximum(frame - window[0], 1), np.minimum(frame + window[1], last)
    complete = (frame - last <= SLACK_FRAMES) & stored.holds(indices, low, high)
    codes = {reason: code for code, reason in enumerate(REASONS)}
    lost = lost[lost != ""]
    of_clip = np.append(lost.map(codes).to_numpy(np.float64), np.nan)
    kind = np.append(of_clip[positions(clips["clip"], lost.index)], np.nan)[chosen]
    reason = np.select(
        [chosen < 0, indices < 0, ~complete],
        [
            np.full(len(chosen), codes["outside every clip"]),
            np.where(np.isnan(kind), codes["missing video"], kind),
            np.where(np.isnan(kind), codes["frames short"], kind),
        ],
        default=0,
    ).astype(np.int8)
    return keyframes.assign(
        clip=_taken(clips["clip"], chosen),
        shard=_taken(stored.clips["shard"], indices),
        frame=frame,
        **shape,
        clip_index=chosen,
        reason=reason,
    )


def _taken(texts: "pd.Series[str]", indices: Integers) -> pd.api.extensions.ExtensionArray:
    """Return the texts at these positions, empty at -1."""
    found = pa.array(texts, pa.string()).take(pa.array(indices, mask=indices < 0))
    return pd.Series(pc.fill_null(found, "").to_pandas(), dtype="str").array


def _sorted_rows(ground_truth: pd.DataFrame, indices: Integers, outputs: int) -> pd.DataFrame:
    """Return the rows in a fixed order, boxes cut at the frame's edge, with their keyframe."""
    columns = {name: ground_truth[name].to_numpy(np.float64).clip(0, 1) for name in BOX}
    action = ground_truth["action_id"].to_numpy().clip(0, outputs).astype(np.int16)
    order = sorted_positions({"keyframe": indices, **columns, "action_id": action})
    rows = {"keyframe": indices[order], "action_id": action[order]}
    return pd.DataFrame(rows | {name: column[order] for name, column in columns.items()})


def _dropped_rows(
    rows: pd.DataFrame, keyframe_reasons: npt.NDArray[np.int8], outputs: int
) -> npt.NDArray[np.int8]:
    """Return [rows] the index in `REASONS` of the first that applies, 0 for rows to keep."""
    keyframe, action = rows["keyframe"].to_numpy(), rows["action_id"].to_numpy()
    person = action != 0
    known = action < outputs
    solid = ((rows["x2"] > rows["x1"]) & (rows["y2"] > rows["y1"])).to_numpy()
    again = ~_new_boxes(rows)
    again[1:] &= action[1:] == action[:-1]
    of_keyframe = np.append(keyframe_reasons, np.int8(0))[keyframe]
    return np.select(
        [
            keyframe < 0,
            of_keyframe > 0,
            person & ~known,
            person & ~solid,
            person & again,
        ],
        [
            np.full(len(rows), REASONS.index("excluded"), np.int8),
            of_keyframe,
            *(
                np.full(len(rows), REASONS.index(reason), np.int8)
                for reason in ("class outside the list", "degenerate box", "duplicate row")
            ),
        ],
        default=np.int8(0),
    )


def _ground_truth_lists(people: pd.DataFrame, num_keyframes: int) -> dict[str, Any]:
    """Return the boxes of each keyframe, and the labels of each box.

    Kinetics has no person ids, so equal coordinates mean the same person.

    Args:
        people: sorted by keyframe, box and action.
    """
    heads = np.flatnonzero(_new_boxes(people))
    boxes = people.iloc[heads]
    per_keyframe = np.searchsorted(boxes["keyframe"].to_numpy(), np.arange(num_keyframes + 1))
    labels = pa.ListArray.from_arrays(
        pa.array(np.append(heads, len(people)), pa.int32()),
        pa.array(people["action_id"].to_numpy(np.int16)),
    )
    offsets = pa.array(per_keyframe, pa.int32())
    coordinates = pa.array(boxes[BOX].to_numpy(np.float64).ravel())
    return {
        "boxes": pa.ListArray.from_arrays(pa.array(per_keyframe * 4, pa.int32()), coordinates),
        "labels": pa.ListArray.from_arrays(offsets, labels),
    }


def _new_boxes(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return [rows] whether a row's box is not the one of the row before; rows are sorted."""
    columns = [rows[name].to_numpy() for name in ("keyframe", *BOX)]
    same = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
    return np.append(True, ~same)[: len(rows)]


def _per_clip(keyframes: pd.DataFrame, rows: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    people = rows["keyframe"][(rows["action_id"] != 0).to_numpy() & _new_boxes(rows)]
    boxes = np.bincount(people[people >= 0], minlength=len(keyframes))
    table = keyframes.assign(kept=keyframes["reason"] == 0, boxes=boxes, keyframes=1)
    by_clip = table[table["clip_index"] >= 0].groupby("clip_index")
    counts = by_clip[["keyframes", "kept", "boxes"]].sum()
    return counts.assign(clip=clips["clip"].array[counts.index]).reset_index(drop=True)
