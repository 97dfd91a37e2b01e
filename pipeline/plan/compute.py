"""Estimate the stages behind the frames from what is known of each subset by now."""

import gzip
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pipeline.clips import parse_windows, read_clips
from pipeline.download.sources import is_address
from pipeline.plan import figures as known
from pipeline.plan.figures import PUBLISHED, Means, Published, Step
from pipeline.sampling import FPS, Sampling
from pipeline.settings.params import Params
from pipeline.settings.sections import DrawWorld, Subset, Train

UNKNOWN = Published(0, None, 0)


def subset_size(params: Params, subset: Subset, data: Path) -> Published:
    """Clips, keyframes and frames: from the files that are there, else as published, else none.

    Args:
        data: folder of the dataset, where the raw annotations and the clip table would be.

    Raises:
        ValueError: a ground truth file with a timestamp that is no number.
    """
    size = PUBLISHED.get(subset.ground_truth, UNKNOWN)
    if params.data.synthetic:
        size = _drawn(params.draw_world, subset)
    raw = data / "annotations" / "raw"
    if (raw / subset.ground_truth).is_file():
        found = _keyframes(raw / subset.ground_truth)
        if subset.excluded and (raw / subset.excluded).is_file():
            found -= _keyframes(raw / subset.excluded)
        size = replace(size, keyframes=len(found))
    if not (data / "clips.csv").is_file():
        return size
    clips = read_clips(data / "clips.csv")
    mine = clips[clips["subset"] == subset.name]
    windows = [last - first + 1 for text in mine["windows"] for first, last in parse_windows(text)]
    return replace(size, clips=len(mine), frames=sum(windows))


def known_keyframes(step: Step, subsets: Iterable[Subset], sizes: dict[str, Published]) -> int:
    """The keyframes of these parts; the step gets a note for each part whose number is unknown."""
    total = 0
    for subset in subsets:
        keyframes = sizes[subset.name].keyframes
        if keyframes is None:
            step.notes.append(f"{subset.name}: keyframes unknown until its annotations are here")
        total += keyframes or 0
    return total


def _keyframes(path: Path) -> set[tuple[str, int]]:
    """Return video and microsecond of each keyframe in a ground truth file."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", errors="replace") as file:
        # Rows of one keyframe repeat its text: few are parsed.
        texts = {tuple(line.rstrip().split(",", 2)[:2]) for line in file}
    keyframes = set()
    for video, *seconds in texts:
        try:
            keyframes.add((video, round(float(seconds[0]) * 1e6)))
        except (ValueError, IndexError, OverflowError):
            found = ",".join([video, *seconds])[:80]
            raise ValueError(f"{path}: found {found!r}, expected video_id,seconds") from None
    return keyframes


def _drawn(world: DrawWorld, subset: Subset) -> Published:
    """Return a part of the synthetic dataset, with a keyframe every second."""
    is_train = subset.split == "train"
    if subset.clip_list is None:
        clips = world.ava_train_videos if is_train else world.ava_val_videos
        seconds = world.ava_seconds
    else:
        clips = world.kinetics_train_clips if is_train else world.kinetics_val_clips
        seconds = world.kinetics_seconds
    return Published(clips, clips * seconds, clips * seconds * FPS)


BACKBONE = "slowonly_r50"  # the one whose products are known


def people_step(params: Params, subsets: dict[str, Published], data: Path) -> Step:
    """Return keyframes to show to the detector: those of the splits that have no proposals yet."""
    step = Step("detect_people", "")
    detected = [subset for subset in params.data.subsets if subset.proposals == "detect"]
    num_keyframes = known_keyframes(step, detected, subsets)
    unknown = " known so far" if step.notes else ""
    step.what = f"{num_keyframes:,} keyframes to search{unknown}"
    step.disk_bytes = num_keyframes * known.PEOPLE_BYTES_PER_KEYFRAME
    left = [p for p in detected if not (data / "proposals" / f"{p.split}.parquet").is_file()]
    step.seconds = sum(subsets[p.name].keyframes or 0 for p in left) / known.DETECTIONS_PER_SECOND
    return step


def light_steps(params: Params, subsets: dict[str, Published], root: Path) -> dict[str, Step]:
    """Return the stages that only read tables, by name; those that have ended take no time."""
    data, results = root / "data" / params.dataset, root / "results" / params.dataset
    num_clips = sum(subset.clips for subset in subsets.values())
    merge = Step("merge_annotations", "")
    num_keyframes = known_keyframes(merge, params.data.subsets, subsets)
    merge.what = f"{num_keyframes:,} keyframes"
    listing = Step("list_clips", f"{num_clips:,} clips")
    windows, reach = params.list_clips, params.reach
    if (windows.frames_before, windows.frames_after) != reach:
        listing.notes.append(
            f"no variant looks further than {reach[0]} frames back and {reach[1]} ahead, "
            f"stored are {windows.frames_before} and {windows.frames_after}"
        )
    report = Step("report", f"{len(params.variants)} variants")
    if not (data / "clips.csv").is_file():
        listing.seconds = num_clips / known.LISTED_CLIPS_PER_SECOND
    if not all((data / "index" / f"{split}.parquet").is_file() for split in params.splits):
        merge.seconds = num_keyframes / known.MERGED_KEYFRAMES_PER_SECOND
    if not (results / "metrics.json").is_file():
        report.seconds = len(params.variants) * known.REPORT_SECONDS_PER_VARIANT
    return {step.stage: step for step in (listing, merge, report)}


def pretrain_step(params: Params, data: Path) -> Step:
    """Return the backbones to start from."""
    backbones = params.data.pretrained
    step = Step("pretrain", f"{len(backbones)} backbones")
    step.disk_bytes = len(backbones) * known.CHECKPOINT_BYTES
    left = [
        each
        for name, each in backbones.items()
        if not (data / "pretrained" / f"{name}.pt").is_file()
    ]
    fetched = [each for each in left if is_address(str(each.checkpoint))]
    step.download_bytes = len(fetched) * known.CHECKPOINT_BYTES
    if any(each.checkpoint is None for each in left):
        step.notes.append("time to train on labels is not estimated")
    return step


def model_steps(
    params: Params, subsets: dict[str, Published], results: Path, means: Means
) -> list[Step]:
    """Training and evaluating the variants that have no model, or no scores, yet."""
    num_variants = len(params.variants)
    train = Step("train", f"{num_variants} variants, on one GPU")
    evaluate = Step("evaluate", f"{num_variants} variants, on one GPU")
    train.disk_bytes = num_variants * known.MODEL_BYTES
    seen = known_keyframes(train, params.subsets("train"), subsets)
    held_out = [subset for subset in params.data.subsets if subset.split != "train"]
    judged = known_keyframes(evaluate, held_out, subsets)
    others = []
    for variant in params.variants:
        settings = params.train(variant)
        if settings.backbone != BACKBONE:
            others.append(variant)
            continue
        once = judged * _flops(settings, settings.test_short_side_px) / means.flops
        if not (results / "variants" / variant / "model.pt").is_file():
            step_flops = known.TRAINING_PASSES * _flops(settings, settings.crop_px)
            train.seconds += settings.epochs * seen * step_flops / means.flops
            if settings.validate_every:
                train.seconds += settings.epochs // settings.validate_every * once
        if not (results / "variants" / variant / "metrics.json").is_file():
            evaluate.seconds += once
    if others:
        whose = "this backbone" if len(others) == num_variants else ", ".join(others)
        for step in (train, evaluate):
            step.notes.append(f"time of {whose} is not estimated")
    return [train, evaluate]


def _flops(settings: Train, side_px: int) -> float:
    """Of one keyframe forward, its images taken as squares."""
    frames = Sampling.parse(settings.sampling).num_frames
    return 2e9 * frames * known.GMACS_PER_FRAME * (side_px / 256) ** 2
