"""List the clips that a dataset wants, for all its subsets and for pretraining."""

import logging
from dataclasses import fields
from pathlib import Path

import pandas as pd

from pipeline.annotations.ava_csv import read_exclusions, read_ground_truth
from pipeline.annotations.keyframes import annotated_keyframes
from pipeline.annotations.kinetics_lists import read_clip_list
from pipeline.annotations.listing import (
    Wanted,
    clip_table,
    listed_clips,
    video_clips,
    want_keyframes,
    want_labels,
)
from pipeline.clips import write_clips
from pipeline.settings.params import Params
from pipeline.settings.sections import Subset
from pipeline.sources.clip_files import NamedFiles, WantedClip, is_video, read_lines
from pipeline.sources.files import FilesSource

logger = logging.getLogger(__name__)


def list_clips(raw: Path, clips: Path, params: Params) -> dict[str, float]:
    """Write the clip table of a dataset; return what it holds, in counts."""
    wanted = [_want_subset(raw, subset, params) for subset in params.data.subsets]
    counts: dict[str, float] = {}
    for subset, want in zip(params.data.subsets, wanted, strict=True):
        counts[f"clips_{subset.name}"] = len(want.clips)
        counts[f"keyframes_{subset.name}"] = len(want.intervals)
        counts[f"keyframes_outside_{subset.name}"] = want.num_outside
        counts[f"clips_unlisted_{subset.name}"] = _count_unlisted(raw, subset, want.clips)
    sharded = [
        subset.name
        for subset in params.data.subsets
        if any(not source.of_archives for source in subset.sources)
    ]
    table = clip_table([*wanted, *_want_pretraining(raw, wanted, params)], sharded, params.shards)
    write_clips(table, clips)
    counts["clips_pretrain"] = int((table["split"] == "pretrain").sum())
    counts["clips"] = len(table)
    return counts


def _want_subset(raw: Path, subset: Subset, params: Params) -> Wanted:
    ground_truth = read_ground_truth(raw / subset.ground_truth)
    excluded = read_exclusions(raw / subset.excluded if subset.excluded else None)
    keyframes, _ = annotated_keyframes(ground_truth, excluded)
    if subset.clip_list is None:
        candidates = video_clips(keyframes, subset.span_seconds)
    else:
        listed = read_clip_list(raw / subset.clip_list, videos=keyframes["video_id"])
        candidates = listed_clips(keyframes, listed)
    want = want_keyframes(
        keyframes,
        candidates,
        subset=subset.name,
        split=subset.split,
        # A listed clip is a file of its own; a span lies inside the video's file.
        offset_seconds=subset.span_seconds[0] if subset.span_seconds else 0.0,
        frames_before=params.list_clips.frames_before,
        frames_after=params.list_clips.frames_after,
    )
    if want.num_outside:
        logger.warning(
            "%s: %d keyframes of %s lie outside its span",
            subset.name,
            want.num_outside,
            subset.ground_truth,
        )
    return want


def _want_pretraining(raw: Path, wanted: list[Wanted], params: Params) -> list[Wanted]:
    """Return clips for each backbone trained on labels, from the training subsets' lists."""
    have = pd.concat([want.clips["clip"] for want in wanted])
    wants = []
    for name, pretrained in params.data.pretrained.items():
        if pretrained.labels is None or pretrained.clips_per_label is None:
            continue
        # Only training subsets: a validation clip must not be seen before it is scored.
        listed = [subset for subset in params.subsets("train") if subset.clip_list is not None]
        if not listed:
            raise ValueError(
                f"datasets.{params.dataset}.pretrained.{name}: found labels to train on but no "
                "training subset with a clip_list, expected one"
            )
        for subset in listed:
            assert subset.clip_list is not None
            try:
                want = want_labels(
                    read_clip_list(raw / subset.clip_list),
                    have,
                    subset=subset.name,
                    labels=pretrained.labels,
                    clips_per_label=pretrained.clips_per_label,
                    num_frames=params.list_clips.pretrain_frames,
                )
            except ValueError as error:
                raise ValueError(
                    f"datasets.{params.dataset}.pretrained.{name}.labels: {error}"
                ) from None
            wants.append(want)
    return wants


def _count_unlisted(raw: Path, subset: Subset, clips: pd.DataFrame) -> int:
    """Count clips that none of the subset's file lists names; 0 if it has other sources."""
    lists = [source.list for source in subset.sources if isinstance(source, FilesSource)]
    if len(lists) < len(subset.sources):
        return 0
    # Read as the download will read them: paths, with or without leading zeros.
    files = NamedFiles(line for name in lists for line in read_lines(raw / name) if is_video(line))
    columns = [clips[field.name].tolist() for field in fields(WantedClip)]
    wanted = map(WantedClip, *columns)
    unlisted = [want.clip for want in wanted if files.find(want) is None]
    if unlisted:
        logger.warning(
            "%s: %d videos are in no file list, such as %s", subset.name, len(unlisted), unlisted[0]
        )
    return len(unlisted)
