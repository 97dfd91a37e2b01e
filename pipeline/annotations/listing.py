"""Which clips the study needs, and which of their frames: the rows of the clip table."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.annotations.keyframes import choose_clips, keyframe_numbers
from pipeline.annotations.kinetics_lists import deduced_clips
from pipeline.clips import COLUMNS, is_safe_name
from pipeline.sampling import FPS

Integers = npt.NDArray[np.int64]

_USUAL_NAME = "^[0-9A-Za-z_-][0-9A-Za-z_.-]{0,199}$"  # safe without a closer look


@dataclass(frozen=True)
class Wanted:
    """Clips of one subset, and the intervals of frames wanted from them.

    Attributes:
        clips: the columns of the clip table without windows and shard.
        intervals: clip, first, last: stored frame numbers, both included; they may overlap.
        num_outside: keyframes outside the subset's span, which no clip can show.
        actions: ids that the keyframes are labelled with.
    """

    clips: pd.DataFrame
    intervals: pd.DataFrame
    num_outside: int = 0
    actions: frozenset[int] = frozenset()


def video_clips(keyframes: pd.DataFrame, span_seconds: tuple[float, float] | None) -> pd.DataFrame:
    """Return one clip per video, named like it: `span_seconds` of it, or all (end: infinity)."""
    start, end = span_seconds or (0.0, np.inf)
    videos = keyframes["video_id"].drop_duplicates().to_numpy()
    clips = pd.DataFrame({"label": "", "video_id": videos, "clip": videos})
    return clips.assign(start_seconds=float(start), end_seconds=float(end))


def listed_clips(keyframes: pd.DataFrame, clip_list: pd.DataFrame) -> pd.DataFrame:
    """Return the clips of a Kinetics list, and deduced ones for keyframes that none shows."""
    lost = keyframes[choose_clips(keyframes, clip_list) < 0]
    clips = pd.concat([clip_list, deduced_clips(lost)], ignore_index=True)
    return clips.drop_duplicates("clip", ignore_index=True)


def want_keyframes(
    keyframes: pd.DataFrame,
    candidates: pd.DataFrame,
    *,
    subset: str,
    split: str,
    offset_seconds: float,
    frames_before: int,
    frames_after: int,
) -> Wanted:
    """Return the clips that show a subset's keyframes, with a window of frames around each.

    Args:
        keyframes: video_id, timestamp.
        candidates: clips to choose from; label, video_id, clip, start_seconds, end_seconds.
        subset, split: whose keyframes they are.
        offset_seconds: where each clip starts inside the file that is downloaded.
        frames_before, frames_after: size of the window.
    """
    chosen = choose_clips(keyframes, candidates)
    covered = chosen >= 0
    timestamps, chosen = keyframes["timestamp"].to_numpy()[covered], chosen[covered]
    start = candidates["start_seconds"].to_numpy()[chosen]
    end = candidates["end_seconds"].to_numpy()[chosen]
    centre, last = keyframe_numbers(timestamps, start), last_numbers(start, end)
    intervals = pd.DataFrame(
        {
            "clip": candidates["clip"].to_numpy()[chosen],
            "first": np.clip(centre - frames_before, 1, last),
            "last": np.clip(centre + frames_after, 1, last),
        }
    )
    clips = candidates.iloc[np.unique(chosen)].reset_index(drop=True)
    clips = clips.assign(subset=subset, split=split, offset_seconds=offset_seconds)
    return Wanted(clips, intervals, int((~covered).sum()))


def want_labels(
    clip_list: pd.DataFrame,
    wanted: pd.DataFrame,
    *,
    subset: str,
    labels: Sequence[str],
    clips_per_label: int,
    num_frames: int,
) -> Wanted:
    """Return clips to pretrain on: of each label the first few, those wanted anyway before others.

    Equal lists give equal clips whatever the order of their rows, and a smaller `clips_per_label`
    a subset of a larger one's.

    Args:
        clip_list: as from `read_clip_list`.
        wanted: clip names that keyframes want already: they cost no further download.
        labels: classes to take; none means all.
        num_frames: frames wanted around the middle of each clip.

    Raises:
        ValueError: a label that the list does not have.
    """
    known = set(clip_list["label"])
    if unknown := sorted(set(labels) - known):
        raise ValueError(
            f"found label {unknown[0]!r}, expected one of the clip list's {len(known)}, "
            f"such as {sorted(known)[:3]}"
        )
    clips = clip_list[clip_list["label"].isin(list(labels))] if labels else clip_list
    clips = clips[clips["label"] != ""]
    clips = clips.assign(new=~clips["clip"].isin(wanted))
    clips = clips.sort_values(["label", "new", "clip"]).groupby("label").head(clips_per_label)
    clips = clips.drop(columns="new").reset_index(drop=True)
    start, end = clips["start_seconds"].to_numpy(), clips["end_seconds"].to_numpy()
    last = last_numbers(start, end)
    first = np.maximum(last // 2 + 1 - num_frames // 2, 1)
    intervals = pd.DataFrame(
        {
            "clip": clips["clip"],
            "first": first,
            "last": np.minimum(first + num_frames - 1, last),
        }
    )
    return Wanted(clips.assign(subset=subset, split="pretrain", offset_seconds=0.0), intervals)


def clip_table(
    wanted: Sequence[Wanted], sharded_subsets: Sequence[str], shards: Sequence[str]
) -> pd.DataFrame:
    """Join what subsets and pretraining want into the clip table.

    A clip that two subsets share gets the same windows in both rows, so that either row tells all
    that is to be stored. A pretraining clip that a subset has already is not listed again.

    Args:
        wanted: of the subsets first, of pretraining last.
        sharded_subsets: subsets whose clips are fetched one by one; the others' shard stays empty.

    Raises:
        ValueError: a name that cannot be a file's, or one clip with two spans.
    """
    clips = pd.concat([want.clips for want in wanted], ignore_index=True)
    intervals = pd.concat([want.intervals for want in wanted], ignore_index=True)
    again = (clips["split"] == "pretrain") & clips["clip"].duplicated()
    clips = clips[~again].reset_index(drop=True)
    _check_names(clips)
    windows = window_texts(intervals)
    sharded = clips["subset"].isin(list(sharded_subsets))
    names = pd.Series([shard_of(clip, shards) for clip in clips["clip"]], clips.index, "str")
    clips = clips.assign(
        windows=clips["clip"].map(windows).to_numpy(), shard=names.where(sharded, "")
    )
    return clips[list(COLUMNS)].astype(COLUMNS)


def shard_of(clip: str, shards: Sequence[str]) -> str:
    """Return the shard of a clip that is fetched on its own; depends on its name alone."""
    return shards[zlib.crc32(clip.encode()) % len(shards)]


def window_texts(intervals: pd.DataFrame) -> "pd.Series[str]":
    """Return the union of each clip's intervals as text ("1-70 181-250"), by clip.

    Args:
        intervals: clip, first, last (both included); touching ones become one.
    """
    codes, clips = pd.factorize(intervals["clip"])
    order = np.lexsort((intervals["first"].to_numpy(), codes))
    codes = codes[order]
    first, last = intervals["first"].to_numpy()[order], intervals["last"].to_numpy()[order]
    # A running maximum per clip in one pass: later clips start above all earlier ones.
    step = int(last.max(initial=0)) + 2
    reach = np.maximum.accumulate(last + codes * step)
    begins = np.ones(len(order), bool)
    begins[1:] = first[1:] + codes[1:] * step > reach[:-1] + 1
    heads = np.flatnonzero(begins)
    tails = np.append(heads[1:], len(order))[: len(heads)] - 1
    texts: dict[str, str] = {}
    for clip, low, high in zip(
        clips[codes[heads]].tolist(),
        first[heads].tolist(),
        (reach[tails] - codes[tails] * step).tolist(),
        strict=True,
    ):
        text = f"{low}-{high}"
        texts[clip] = f"{texts[clip]} {text}" if clip in texts else text
    return pd.Series(texts, dtype="str")


def last_numbers(
    start_seconds: npt.NDArray[np.float64], end_seconds: npt.NDArray[np.float64]
) -> Integers:
    """Return the last frame number that a clip of this span can have; huge without an end."""
    # Frame n shows second (n - 1) / FPS, which must lie before the end.
    lengths = np.minimum(end_seconds - start_seconds, 1e6)
    return np.maximum(np.ceil(FPS * lengths - 1e-6), 1).astype(np.int64)


def _check_names(clips: pd.DataFrame) -> None:
    usual = pc.match_substring_regex(pa.array(clips["clip"], pa.string()), _USUAL_NAME)
    unusual = clips[~usual.to_numpy(zero_copy_only=False)]
    for clip, subset in zip(unusual["clip"], unusual["subset"], strict=True):
        if not is_safe_name(clip):
            raise ValueError(
                f"subset {subset}: found clip {clip[:80]!r}, expected a name that can be a file's"
            )
    shared = clips[clips["clip"].duplicated(keep=False)]
    spans = shared.drop_duplicates(["clip", "start_seconds", "end_seconds", "offset_seconds"])
    if len(spans) > shared["clip"].nunique():
        clip = spans.loc[spans["clip"].duplicated(), "clip"].iloc[0]
        subsets = sorted(clips.loc[clips["clip"] == clip, "subset"])
        raise ValueError(f"clip {clip}: found two spans, in subsets {subsets}, expected one")
