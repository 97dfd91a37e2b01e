"""Join truth, proposals and stored frames into the index that training and scoring read.

Everything here is a function of its tables and not of their row order: rows are sorted, equal rows
count once, and whatever is left out is counted under its reason.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.keyframes import (
    annotated_keyframes,
    choose_clips,
    keyframe_keys,
    keyframe_numbers,
)
from pipeline.sampling import FPS
from pipeline.stored_frames import StoredFrames

BOX = ["x1", "y1", "x2", "y2"]
ACTIONS = range(1, 81)  # AVA's ids; fewer are scored, but all are worth learning

# A keyframe this far behind a clip's last frame still shows the annotated second: files end a few
# frames early more often than not.
SLACK_FRAMES = FPS // 2

INDEX_SCHEMA = pa.schema(
    {
        "part": pa.string(),
        "video_id": pa.string(),
        "timestamp": pa.float64(),
        "clip": pa.string(),
        "shard": pa.string(),
        "frame": pa.int32(),  # not clipped: 0 at a clip's start, beyond the end of a short one
        "last_frame": pa.int32(),
        "width": pa.int32(),
        "height": pa.int32(),
        "boxes": pa.list_(pa.float32()),
        "labels": pa.list_(pa.list_(pa.int16())),
        "proposals": pa.list_(pa.float32()),
    }
)

WHOLE_FRAME = np.array([0, 0, 1, 1, 1], np.float32)  # stands in where nobody was proposed

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MergedPart:
    """One part's rows of the index, and where everything else went.

    Attributes:
        index: rows of `INDEX_SCHEMA`, sorted by video and timestamp.
        clips: clip; keyframes (wanted), kept (in the index), boxes (of the wanted keyframes).
        counts: rows read, rows dropped by reason, keyframes, boxes and labels kept.
    """

    index: pa.Table
    clips: pd.DataFrame
    counts: dict[str, int]


def merge_part(
    part: str,
    truth: pd.DataFrame,
    excluded: pd.DataFrame,
    clips: pd.DataFrame,
    stored: StoredFrames,
    lost: "pd.Series[str]",
    proposals: pd.DataFrame,
    window: tuple[int, int],
) -> MergedPart:
    """Make the index of one part.

    Args:
        truth: as from `read_truth`.
        excluded: as from `read_exclusions`.
        clips: the part's rows of the clip table, without those for pretraining only.
        lost: what happened to each clip, by clip: empty, or a kind of `coverage.lost_clips`.
        proposals: as from `read_proposals`; keyframes of other parts are passed over.
        window: stored frames needed before and after a keyframe.
    """
    keyframes, places = annotated_keyframes(truth, excluded)
    keyframes = locate_keyframes(keyframes, clips, stored, lost, window)
    kept = (keyframes["reason"] == "").to_numpy()

    rows = _labelled_rows(truth, places)
    reasons = _dropped_rows(rows, keyframes["reason"].to_numpy(object))
    counts = {"rows": len(truth)} | {
        f"dropped_{reason.replace(' ', '_')}": int((reasons == reason).sum())
        for reason in sorted(set(reasons) - {""})
    }
    people = rows[(reasons == "") & (rows["action_id"] != 0).to_numpy()]
    positions = np.cumsum(kept) - 1
    people = people.assign(keyframe=positions[people["keyframe"].to_numpy()])

    index = keyframes[kept].reset_index(drop=True)
    table = pa.table(
        {
            "part": pa.array([part] * len(index), pa.string()),
            **{
                name: pa.array(index[name].to_numpy(), INDEX_SCHEMA.field(name).type)
                for name in INDEX_SCHEMA.names[1:9]
            },
            **_truth_lists(people, len(index)),
            "proposals": _proposal_lists(index, proposals),
        },
        schema=INDEX_SCHEMA,
    )
    counts |= {
        "keyframes": len(index),
        "keyframes_without_people": len(index) - people["keyframe"].nunique(),
        "boxes": int((~people.duplicated(["keyframe", *BOX])).sum()),
        "labels": len(people),
    }
    return MergedPart(table, _per_clip(keyframes, truth, places), counts)


def locate_keyframes(
    keyframes: pd.DataFrame,
    clips: pd.DataFrame,
    stored: StoredFrames,
    lost: "pd.Series[str]",
    window: tuple[int, int],
) -> pd.DataFrame:
    """Find each keyframe's clip and frames.

    Returns: video_id, timestamp, clip, shard, frame, last_frame, width, height, and reason: empty,
        or why the keyframe cannot be used. The columns before it are only meaningful when empty.
    """
    chosen = choose_clips(keyframes, clips)
    names = clips["clip"].to_numpy(object)
    clip = np.where(chosen >= 0, names[chosen] if len(names) else "", "").astype(object)
    start = clips["start_seconds"].to_numpy()[chosen] if len(names) else np.zeros(len(chosen))
    frame = keyframe_numbers(keyframes["timestamp"].to_numpy(), start)

    store = stored.clips.reindex(clip)
    has_frames = store["last_frame"].notna().to_numpy()
    numbers = store[["last_frame", "width", "height"]].fillna(0).astype("int64")
    last = numbers["last_frame"].to_numpy()
    low, high = np.maximum(frame - window[0], 1), np.minimum(frame + window[1], last)
    complete = (frame - last <= SLACK_FRAMES) & stored.holds(clip, low, high)

    kind = lost[lost != ""].reindex(clip)
    no_frames = kind.fillna("missing video").to_numpy(object)
    few_frames = kind.fillna("frames short").to_numpy(object)
    reason = np.select(
        [chosen < 0, ~has_frames, ~complete],
        [np.full(len(clip), "outside every clip", object), no_frames, few_frames],
        default="",
    )
    return keyframes.assign(
        clip=clip,
        shard=store["shard"].fillna("").to_numpy(),
        frame=frame,
        last_frame=last,
        width=numbers["width"].to_numpy(),
        height=numbers["height"].to_numpy(),
        reason=reason,
    )


def _labelled_rows(truth: pd.DataFrame, places: Integers) -> pd.DataFrame:
    """The rows in a fixed order, boxes cut at the frame's edge, with their keyframe's position."""
    columns = {name: truth[name].to_numpy(np.float64).clip(0, 1) for name in BOX}
    action = truth["action_id"].to_numpy(np.int64)
    order = np.lexsort([action, *(columns[name] for name in reversed(BOX)), places])
    rows = {"keyframe": places[order], "action_id": action[order]}
    return pd.DataFrame(rows | {name: column[order] for name, column in columns.items()})


def _dropped_rows(rows: pd.DataFrame, reasons: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """[rows] why each row is not in the index, or empty; the first reason that applies."""
    keyframe, action = rows["keyframe"].to_numpy(), rows["action_id"].to_numpy()
    person = action != 0
    of_keyframe = np.append(reasons, "")[keyframe]  # position -1, excluded, takes the last
    solid = (rows["x2"] > rows["x1"]) & (rows["y2"] > rows["y1"])
    known = (action >= ACTIONS.start) & (action < ACTIONS.stop)
    fine = person & known & solid.to_numpy()
    dropped: npt.NDArray[np.object_] = np.select(
        [
            keyframe < 0,
            of_keyframe != "",
            person & ~known,
            person & ~solid.to_numpy(),
            fine & rows.duplicated(["keyframe", *BOX, "action_id"]).to_numpy(),
        ],
        ["excluded", of_keyframe, "class outside the list", "degenerate box", "duplicate row"],
        default="",
    ).astype(object)
    return dropped


def _truth_lists(people: pd.DataFrame, num_keyframes: int) -> dict[str, Any]:
    """Boxes of each keyframe, and the labels of each box.

    Kinetics has no person ids, so equal coordinates mean the same person.

    Args:
        people: sorted by keyframe, box and action.
    """
    new_box = ~people.duplicated(["keyframe", *BOX]).to_numpy()
    heads = np.flatnonzero(new_box)
    boxes = people.iloc[heads]
    per_keyframe = np.searchsorted(boxes["keyframe"].to_numpy(), np.arange(num_keyframes + 1))
    labels = pa.ListArray.from_arrays(
        pa.array(np.append(heads, len(people)), pa.int32()),
        pa.array(people["action_id"].to_numpy(np.int16)),
    )
    offsets = pa.array(per_keyframe, pa.int32())
    coordinates = pa.array(boxes[BOX].to_numpy(np.float32).ravel())
    return {
        "boxes": pa.ListArray.from_arrays(pa.array(per_keyframe * 4, pa.int32()), coordinates),
        "labels": pa.ListArray.from_arrays(offsets, labels),
    }


def _proposal_lists(index: pd.DataFrame, proposals: pd.DataFrame) -> Any:
    """Proposals of each keyframe, best first; the whole frame where there is none."""
    wanted, keys = keyframe_keys(index, proposals)
    mine = np.isin(keys, wanted)
    missing = wanted[~np.isin(wanted, keys)]
    numbers = proposals[[*BOX, "score"]].to_numpy(np.float32)[mine]
    numbers = np.vstack([numbers, np.tile(WHOLE_FRAME, (len(missing), 1))])
    keys = np.concatenate([keys[mine], missing])
    order = np.lexsort([*numbers[:, 3::-1].T, -numbers[:, 4], keys])
    offsets = np.searchsorted(keys[order], np.append(wanted, np.iinfo(np.int64).max)) * 5
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(numbers[order].ravel()))


def _per_clip(keyframes: pd.DataFrame, truth: pd.DataFrame, places: Integers) -> pd.DataFrame:
    people = (places >= 0) & (truth["action_id"] != 0).to_numpy()
    boxes = truth.loc[people, BOX].assign(keyframe=places[people]).drop_duplicates()
    per_keyframe = np.bincount(boxes["keyframe"].to_numpy(), minlength=len(keyframes))
    table = keyframes.assign(kept=keyframes["reason"] == "", boxes=per_keyframe, keyframes=1)
    by_clip = table[table["clip"] != ""].groupby("clip", sort=True)
    return by_clip[["keyframes", "kept", "boxes"]].sum().reset_index()
