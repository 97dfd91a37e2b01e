"""The clips that a dataset wants, of all its parts and for pretraining."""

import logging
from dataclasses import fields
from pathlib import Path

import pandas as pd

from pipeline.annotations.ava_csv import read_exclusions, read_truth
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
from pipeline.params import Params
from pipeline.sections import FilesSource, Part
from pipeline.transfers.sources import NamedFiles, WantedClip, is_video, read_lines

logger = logging.getLogger(__name__)


def list_clips(raw: Path, clips: Path, params: Params) -> dict[str, float]:
    """Write the clip table of a dataset; return what it holds, in counts."""
    wanted = [_want_part(raw, part, params) for part in params.data.parts]
    counts: dict[str, float] = {}
    for part, want in zip(params.data.parts, wanted, strict=True):
        counts[f"clips_{part.name}"] = len(want.clips)
        counts[f"keyframes_{part.name}"] = len(want.stretches)
        counts[f"keyframes_outside_{part.name}"] = want.num_outside
        counts[f"clips_unlisted_{part.name}"] = _count_unlisted(raw, part, want.clips)
    sharded = [
        part.name
        for part in params.data.parts
        if any(source.kind != "archives" for source in part.sources)
    ]
    table = clip_table([*wanted, *_want_pretraining(raw, wanted, params)], sharded, params.shards)
    write_clips(table, clips)
    counts["clips_pretrain"] = int((table["split"] == "pretrain").sum())
    counts["clips"] = len(table)
    return counts


def _want_part(raw: Path, part: Part, params: Params) -> Wanted:
    truth = read_truth(raw / part.truth)
    excluded = read_exclusions(raw / part.excluded if part.excluded else None)
    keyframes, _ = annotated_keyframes(truth, excluded)
    if part.clip_list is None:
        candidates = video_clips(keyframes, part.span_seconds)
    else:
        listed = read_clip_list(raw / part.clip_list, videos=keyframes["video_id"])
        candidates = listed_clips(keyframes, listed)
    want = want_keyframes(
        keyframes,
        candidates,
        part=part.name,
        split=part.split,
        # A listed clip is a file of its own; a span lies inside the video's file.
        offset_seconds=part.span_seconds[0] if part.span_seconds else 0.0,
        frames_before=params.list_clips.frames_before,
        frames_after=params.list_clips.frames_after,
    )
    if want.num_outside:
        logger.warning(
            "%s: %d keyframes of %s lie outside its span", part.name, want.num_outside, part.truth
        )
    return want


def _want_pretraining(raw: Path, wanted: list[Wanted], params: Params) -> list[Wanted]:
    """Clips for each backbone that is trained on labels, from the lists of the training parts."""
    have = pd.concat([want.clips["clip"] for want in wanted])
    wants = []
    for name, pretrained in params.data.pretrained.items():
        if pretrained.labels is None or pretrained.clips_per_label is None:
            continue
        # Only training parts: a validation clip must not be seen before it is scored.
        listed = [part for part in params.parts("train") if part.clip_list is not None]
        if not listed:
            raise ValueError(
                f"datasets.{params.dataset}.pretrained.{name}: found labels to train on but no "
                "training part with a clip_list, expected one"
            )
        for part in listed:
            assert part.clip_list is not None
            try:
                want = want_labels(
                    read_clip_list(raw / part.clip_list),
                    have,
                    part=part.name,
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


def _count_unlisted(raw: Path, part: Part, clips: pd.DataFrame) -> int:
    """Clips that none of the part's file lists names; 0 when there is another kind of source."""
    lists = [source.list for source in part.sources if isinstance(source, FilesSource)]
    if len(lists) < len(part.sources):
        return 0
    # Read as the download will read them: paths, with or without leading zeros.
    files = NamedFiles(line for name in lists for line in read_lines(raw / name) if is_video(line))
    columns = [clips[field.name].tolist() for field in fields(WantedClip)]
    wanted = map(WantedClip, *columns)
    unlisted = [want.clip for want in wanted if files.find(want) is None]
    if unlisted:
        logger.warning(
            "%s: %d videos are in no file list, such as %s", part.name, len(unlisted), unlisted[0]
        )
    return len(unlisted)
