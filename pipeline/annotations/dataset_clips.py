"""List the clips that a dataset wants, for all its subsets and for pretraining."""

import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd

from pipeline.annotations.ava_csv import read_exclusions, read_ground_truth
from pipeline.annotations.class_list import read_class_list
from pipeline.annotations.ground_truth_checks import (
    check_actions,
    check_boxes,
    check_exclusions,
    check_splits,
)
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
from pipeline.annotations.video_names import count_not_in_clip_list, count_unlisted
from pipeline.clips import write_clips
from pipeline.settings.params import Params
from pipeline.settings.sections import Subset

logger = logging.getLogger(__name__)


def list_clips(raw: Path, clips: Path, params: Params) -> dict[str, float]:
    """Write the clip table of a dataset; return what it holds, in counts.

    Raises:
        ValueError: annotations that no mAP could be made of, or names that stand for two videos.
    """
    classes = read_class_list(raw / params.data.class_list)
    wanted: list[Wanted] = []
    counts: dict[str, float] = {}
    labels: dict[str, set[int]] = {split: set() for split in params.splits}
    for subset in params.data.subsets:
        want, found = _want_subset(raw, subset, params, classes)
        wanted.append(want)
        labels[subset.split] |= want.actions
        counts |= {f"{name}_{subset.name}": number for name, number in found.items()}
    check_splits(labels, classes)
    everything = [*wanted, *_want_pretraining(raw, wanted, params)]
    _refuse_shared_names(everything, params)
    for subset, want in zip(params.data.subsets, wanted, strict=True):
        counts[f"clips_unlisted_{subset.name}"] = count_unlisted(raw, subset, want.clips)
    sharded = [
        subset.name
        for subset in params.data.subsets
        if any(not source.of_archives for source in subset.sources)
    ]
    table = clip_table(everything, sharded, params.shards)
    write_clips(table, clips)
    counts["clips_pretrain"] = int((table["split"] == "pretrain").sum())
    counts["clips"] = len(table)
    return counts


def _want_subset(
    raw: Path, subset: Subset, params: Params, classes: dict[int, str]
) -> tuple[Wanted, dict[str, int]]:
    """Return the clips that a subset wants, and counts of its ground truth."""
    path = raw / subset.ground_truth
    ground_truth = read_ground_truth(path)
    excluded = read_exclusions(raw / subset.excluded if subset.excluded else None)
    counts = check_boxes(path, ground_truth)
    counts["rows_of_unlisted_classes"] = check_actions(path, ground_truth, classes)
    if subset.excluded:
        check_exclusions(raw / subset.excluded, excluded, ground_truth)
    keyframes, positions = annotated_keyframes(ground_truth, excluded)
    if subset.clip_list is None:
        candidates = video_clips(keyframes, subset.span_seconds)
    else:
        listed = read_clip_list(raw / subset.clip_list, videos=keyframes["video_id"])
        counts["videos_not_in_clip_list"] = count_not_in_clip_list(
            raw / subset.clip_list, keyframes, listed
        )
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
    counts |= {"clips": len(want.clips), "keyframes": len(want.intervals)}
    counts["keyframes_outside"] = want.num_outside
    actions = set(ground_truth["action_id"].to_numpy()[positions >= 0].tolist()) - {0}
    return replace(want, actions=frozenset(actions)), counts


def _refuse_shared_names(wanted: list[Wanted], params: Params) -> None:
    """Refuse a clip's name in two subsets of different sources: it may be another video there.

    Later stages know a clip by its name alone. Warn where training and validation share one.
    """
    subsets = {subset.name: subset for subset in params.data.subsets}
    rows = pd.concat([want.clips[["clip", "subset"]] for want in wanted]).drop_duplicates()
    shared = rows[rows["clip"].duplicated(keep=False)].sort_values(["clip", "subset"])
    in_both = []
    for clip, names in shared.groupby("clip")["subset"]:
        first, *others = (subsets[name] for name in names)
        for other in others:
            if other.sources != first.sources:
                raise ValueError(
                    f"clip {clip!r}: found in subset {first.name} ({_places(first)}) and in subset "
                    f"{other.name} ({_places(other)}), expected a name to stand for one video: "
                    "rename one and its rows, or give both subsets the same sources"
                )
        if len({subsets[name].split == "train" for name in names}) > 1:
            in_both.append(clip)
    if in_both:
        logger.warning(
            "%d videos have keyframes for training and for validation, such as %s",
            len(in_both),
            in_both[0],
        )


def _places(subset: Subset) -> str:
    values = (source.model_dump() for source in subset.sources)
    return ", ".join(str(each.get("path") or each.get("list") or each["url"]) for each in values)


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
