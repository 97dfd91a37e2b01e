"""Keyframes: the annotated seconds of a subset, and how tables about them find each other.

A keyframe is a video and a timestamp. One file writes it "0902", the next "902.000000", so
timestamps are compared as whole microseconds and never as floats or texts.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.tables import joined_ranges, positions, spelled_out
from pipeline.sampling import FPS

_TIME_BITS = 42  # microseconds of fifty days; the bits above number the videos
_LONGEST_SECONDS = 4e6

Integers = npt.NDArray[np.int64]


def keyframe_keys(*tables: pd.DataFrame) -> list[Integers]:
    """Return one number per row of each table, equal where video and timestamp are.

    Args:
        tables: each with video_id and timestamp (seconds).

    Returns: [rows] of each table; they sort like (video_id, timestamp).

    Raises:
        ValueError: a timestamp below 0 or above fifty days.
    """
    videos = pd.concat([spelled_out(table["video_id"]) for table in tables], ignore_index=True)
    seconds = np.concatenate([table["timestamp"].to_numpy(np.float64) for table in tables])
    wrong = ~((seconds >= 0) & (seconds <= _LONGEST_SECONDS))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{_source(*tables)}video {videos[row]}: found timestamp {seconds[row]:g}, "
            f"expected 0 to {_LONGEST_SECONDS:g} seconds"
        )
    codes, _ = pd.factorize(videos, sort=True)
    keys = (codes.astype(np.int64) << _TIME_BITS) | np.rint(seconds * 1e6).astype(np.int64)
    return np.split(keys, np.cumsum([len(table) for table in tables])[:-1])


def key_timestamps(keys: Integers) -> npt.NDArray[np.float64]:
    """Return the timestamps inside keys: the nearest float64 to each count of microseconds."""
    seconds: npt.NDArray[np.float64] = (keys & ((1 << _TIME_BITS) - 1)) / 1e6
    return seconds


def sorted_positions(columns: Mapping[str, npt.NDArray[Any] | pd.Series]) -> Integers:
    """Return [rows] the order that sorts `columns`; the first column counts most.

    Equal rows keep their order and NaN comes last, as with `np.lexsort`, in a fifth of its time.
    """
    keys: list[tuple[str, Literal["ascending", "descending"]]]
    keys = [(name, "ascending") for name in columns]
    positions: Integers = pc.sort_indices(pa.table(dict(columns)), sort_keys=keys).to_numpy()
    return positions


def annotated_keyframes(
    ground_truth: pd.DataFrame, excluded: pd.DataFrame
) -> tuple[pd.DataFrame, Integers]:
    """Return the keyframes that a ground truth table names, without the excluded ones.

    Returns: the keyframes (video_id, timestamp), sorted; and [rows of ground truth] the position of
        each row's keyframe among them, -1 where it is excluded.
    """
    ground_truth_keys, excluded_keys = keyframe_keys(ground_truth, excluded)
    keys, first_rows, indices = np.unique(ground_truth_keys, return_index=True, return_inverse=True)
    kept = ~np.isin(keys, excluded_keys)
    positions = np.where(kept, np.cumsum(kept) - 1, -1)
    keyframes = pd.DataFrame(
        {
            "video_id": ground_truth["video_id"].array[first_rows[kept]],
            "timestamp": key_timestamps(keys[kept]),
        }
    )
    keyframes.attrs.update(ground_truth.attrs)
    return keyframes.astype({"video_id": "str"}), positions[indices]


def choose_clips(keyframes: pd.DataFrame, clips: pd.DataFrame) -> Integers:
    """Choose the clip that shows each keyframe.

    Several clips of one video may contain a second: the one where it is most central wins, because
    it has the most frames on both sides; then the earlier one, then the first by name.

    Args:
        keyframes: video_id, timestamp.
        clips: video_id, clip, start_seconds, end_seconds; each clip once, both ends inside.

    Returns: [keyframes] position among `clips`, -1 where none contains the keyframe.
    """
    order = sorted_positions({name: clips[name] for name in ("start_seconds", "clip")})
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))

    keyframe, position = _pairs(keyframes["video_id"], clips["video_id"])
    seconds = keyframes["timestamp"].to_numpy()[keyframe]
    start = clips["start_seconds"].to_numpy()[position]
    end = clips["end_seconds"].to_numpy()[position]
    slack = 1e-6  # timestamps are written with six digits
    inside = (seconds >= start - slack) & (seconds <= end + slack)
    # Twice the distance to the middle; a clip without a known end has no middle, and no rival.
    off_centre = np.round(np.abs((seconds - start) - (end - seconds)), 6)
    keyframe, position, off_centre = keyframe[inside], position[inside], off_centre[inside]
    last_to_first = np.lexsort((rank[position], off_centre, keyframe))[::-1]
    chosen = np.full(len(keyframes), -1, np.int64)
    # Of equal indices the last assignment counts: the first of each keyframe.
    chosen[keyframe[last_to_first]] = position[last_to_first]
    return chosen


def _pairs(left: "pd.Series[str]", right: "pd.Series[str]") -> tuple[Integers, Integers]:
    """Return rows of the left and of the right that have the same text, each with each."""
    numbers, texts = pd.factorize(right)
    order = np.argsort(numbers, kind="stable")
    count = np.append(np.bincount(numbers, minlength=len(texts)), 0)  # the last: in no row
    first = np.cumsum(count) - count
    of_left = positions(left, texts)
    counts = count[of_left]
    return np.repeat(np.arange(len(left)), counts), order[joined_ranges(first[of_left], counts)]


def keyframe_numbers(
    timestamps: npt.NDArray[np.float64], start_seconds: npt.NDArray[np.float64]
) -> Integers:
    """Return the stored frame number of each keyframe, as `sampling.keyframe_number` gives it.

    Not clipped: 0 at the clip's very start, and one more than a short clip may have at its end.
    """
    return np.rint(FPS * (timestamps - start_seconds)).astype(np.int64)


def _source(*tables: pd.DataFrame) -> str:
    names = [str(table.attrs["source"]) for table in tables if "source" in table.attrs]
    return f"{names[0]}: " if names else ""
