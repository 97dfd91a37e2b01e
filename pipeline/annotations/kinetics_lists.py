"""Kinetics split lists: which ten seconds of which video are a clip, and of which class.

A list is a csv with the columns youtube_id, time_start, time_end and, except for the test split,
label. Its clips are published as files named <youtube_id>_<time_start:06d>_<time_end:06d>.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from pipeline.annotations.csv_columns import refuse_utf16

CLIP_SECONDS = 10

_TYPES = {
    "label": pa.string(),
    "youtube_id": pa.string(),
    "time_start": pa.float64(),
    "time_end": pa.float64(),
}
_NAMES = {"youtube_id": "video_id", "time_start": "start_seconds", "time_end": "end_seconds"}


def read_clip_list(path: Path, videos: "pd.Series[str] | None" = None) -> pd.DataFrame:
    """Return the clips of a list, each once: label (empty when the list has none), video_id,
    start_seconds, end_seconds, clip; in the order of label and clip, whatever the file's order.

    Args:
        videos: ids of those whose clips are wanted; of all without.

    Raises:
        ValueError: not such a csv, or a clip that does not end after it starts.
    """
    refuse_utf16(path)
    try:
        table = arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(newlines_in_values=False),
            convert_options=arrow_csv.ConvertOptions(column_types=_TYPES, null_values=[]),
        )
        names = table.column_names
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    if missing := [name for name in _NAMES if name not in names]:
        raise ValueError(f"{path}: found columns {names}, expected also {missing}")
    if again := [name for name in _TYPES if names.count(name) > 1]:
        raise ValueError(f"{path}: found columns {names}, expected {again} once")
    if "label" not in names:
        table = table.append_column("label", pa.array([""] * len(table)))
    composed = pc.utf8_normalize(table["youtube_id"], form="NFC")
    table = table.set_column(table.column_names.index("youtube_id"), "youtube_id", composed)
    start, end = table["time_start"].to_numpy(), table["time_end"].to_numpy()
    wrong = ~((start >= 0) & (end > start) & (end < 1e6))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{path}: row {row + 2}: found {start[row]:g} to {end[row]:g} seconds, "
            "expected a start and a later end"
        )
    if videos is not None:
        table = table.filter(pc.is_in(table["youtube_id"], pa.array(videos)))
    clips: pd.DataFrame = table.select(list(_TYPES)).to_pandas().rename(columns=_NAMES)
    clips = clips.assign(clip=clip_names(clips))
    # The same clip may be listed under two classes; the first by name counts, on every run.
    clips = clips.sort_values(["label", "clip"], kind="stable").drop_duplicates("clip")
    return clips.reset_index(drop=True)


def deduced_clips(keyframes: pd.DataFrame) -> pd.DataFrame:
    """Return clips for keyframes that no list covers: ten seconds around the keyframe.

    The archives name their members by the exact span, which only a list can tell; a deduced clip
    can still be found in a folder that holds the whole video, and is otherwise reported missing.

    Returns: the columns of `read_clip_list`, label empty.
    """
    start = np.maximum(np.floor(keyframes["timestamp"].to_numpy()) - CLIP_SECONDS // 2, 0.0)
    clips = pd.DataFrame({"label": "", "video_id": keyframes["video_id"].to_numpy()})
    clips = clips.assign(start_seconds=start, end_seconds=start + CLIP_SECONDS)
    return clips.assign(clip=clip_names(clips)).drop_duplicates("clip")


def clip_names(clips: pd.DataFrame) -> pa.Array:
    """Return the names of the clips' files, without extension, from video_id, start and end."""
    start, end = (
        pc.utf8_lpad(pa.array(clips[name].to_numpy().astype(np.int64)).cast(pa.string()), 6, "0")
        for name in ("start_seconds", "end_seconds")
    )
    return pc.binary_join_element_wise(pa.array(clips["video_id"], pa.string()), start, end, "_")
