"""The people of a split's keyframes: published proposals, or a detector where there are none.

A part of the dataset names a file of proposals or `detect`. Keyframes that such a file has no boxes
for stay without, as in the published study, unless `fill_gaps` has the detector look at them.
"""

import hashlib
import logging
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.annotations.ava_csv import read_exclusions, read_ground_truth
from pipeline.annotations.keyframes import annotated_keyframes, keyframe_keys
from pipeline.annotations.merging import locate_keyframes
from pipeline.clips import read_clips
from pipeline.core.progress import Progress
from pipeline.core.source_code import code_digest
from pipeline.download.data_lock import UNLOCKED, DataLock
from pipeline.download.transfer import hash_file
from pipeline.people.finished_batches import Boxes, FinishedBatches, batch_name
from pipeline.people.proposals import (
    BOX,
    COLUMNS,
    best_overlaps,
    read_proposals,
    select_proposals,
    write_proposals,
)
from pipeline.settings.params import Params
from pipeline.settings.sections import DetectPeople, Subset
from pipeline.video.frame_store import FrameStore
from pipeline.video.stored_frames import read_stored_frames

logger = logging.getLogger(__name__)

FrameKey = tuple[str, int]  # a clip and the number of a stored frame
COUNTS = ["keyframes", "keyframes_without_proposals", "proposals"]
COUNTS += ["dropped_without_area", "dropped_other_keyframe", "dropped_duplicate"]
DETECT = "detect"  # stands in the settings where no file of proposals is published


def detect_people(
    raw: Path,
    frames: Path,
    clips: Path,
    split: str,
    proposals: Path,
    params: Params,
    lock: DataLock = UNLOCKED,
) -> dict[str, float]:
    """Write the proposals of one split; return counts, with how many ground truth boxes it finds.

    Of the boxes that were read or detected, `proposals`, each is in `boxes` or in a `dropped_...`.
    What the detector has found stays in a hidden file beside `proposals`, one a part, for a later
    job with other clips; what matches neither the clips nor the settings and weights is removed.
    """
    collected, ground_truths = [], []
    in_use: list[Path] = []
    fills = params.detect_people.fill_gaps
    counts: dict[str, float] = dict.fromkeys(COUNTS, 0)
    for subset in params.subsets(split):
        ground_truth = read_ground_truth(raw / subset.ground_truth)
        excluded = read_exclusions(raw / subset.excluded if subset.excluded else None)
        keyframes, places = annotated_keyframes(ground_truth, excluded)
        # Beside the output, not in it: Snakemake deletes the outputs of a job that was killed.
        kept = proposals.with_name(f".{proposals.name}.{subset.name}.partial")
        found, gaps = [], keyframes
        if subset.proposals != DETECT:
            found.append(read_proposals(raw / subset.proposals))
            gaps = _without_boxes(keyframes, found[0]) if fills else keyframes[:0]
        if len(gaps) or not found:
            found.append(
                _detect_subset(subset, gaps, read_clips(clips), frames, params, lock, kept)
            )
            in_use.append(kept)
        selected = select_proposals(pd.concat(found, ignore_index=True), keyframes)
        _add_counts(counts, subset.name, keyframes, found, selected)
        collected.append(selected)
        people = ground_truth[(places >= 0) & (ground_truth["action_id"] != 0).to_numpy()]
        ground_truths.append(people.drop_duplicates(["video_id", "timestamp", *BOX]))
    table = pd.concat(collected, ignore_index=True)
    table = select_proposals(table, table)  # parts may share keyframes
    _add_dropped(counts, split, [table])
    write_proposals(proposals, table)
    for kept in proposals.parent.glob(f".{proposals.name}.*.partial"):
        if kept not in in_use:  # of a part that has published proposals now, or is gone
            kept.unlink()
    counts["boxes"] = len(table)
    return counts | _recall(split, pd.concat(ground_truths, ignore_index=True), table)


def _add_counts(
    counts: dict[str, float],
    subset: str,
    keyframes: pd.DataFrame,
    found: list[pd.DataFrame],
    selected: pd.DataFrame,
) -> None:
    num_named = len(selected[["video_id", "timestamp"]].drop_duplicates())
    counts["keyframes"] += len(keyframes)
    counts["keyframes_without_proposals"] += len(keyframes) - num_named
    counts["proposals"] += sum(len(boxes) + sum(_dropped(boxes).values()) for boxes in found)
    logger.info(
        "%s: %d boxes at %d of %d keyframes", subset, len(selected), num_named, len(keyframes)
    )
    _add_dropped(counts, subset, [*found, selected])


def _dropped(boxes: pd.DataFrame) -> dict[str, int]:
    dropped: dict[str, int] = boxes.attrs.get("dropped", {})
    return dropped


def _add_dropped(counts: dict[str, float], name: str, tables: Iterable[pd.DataFrame]) -> None:
    for reason, number in (pair for boxes in tables for pair in _dropped(boxes).items()):
        counts[f"dropped_{reason}"] += number
        if number:
            logger.info("%s: %d boxes dropped: %s", name, number, reason.replace("_", " "))


def _without_boxes(keyframes: pd.DataFrame, proposals: pd.DataFrame) -> pd.DataFrame:
    """Return the keyframes that no proposal names."""
    named, wanted = keyframe_keys(proposals, keyframes)
    return keyframes[~np.isin(wanted, named)]


def _recall(split: str, people: pd.DataFrame, proposals: pd.DataFrame) -> dict[str, float]:
    """Return how many boxes of the ground truth some proposal of their keyframe fits."""
    overlaps = best_overlaps(people, proposals)
    counts: dict[str, float] = {"ground_truth_boxes": len(overlaps)}
    for threshold in (0.5, 0.75):
        num_found = int(np.sum(overlaps >= threshold))
        counts[f"ground_truth_boxes_found_at_{threshold}"] = (
            num_found  # counts of splits can be added up
        )
        if len(overlaps):
            counts[f"recall_{split}_at_{threshold}"] = num_found / len(overlaps)
        logger.info("%s: recall at IoU %s: %d of %d", split, threshold, num_found, len(overlaps))
    return counts


def _detect_subset(
    subset: Subset,
    keyframes: pd.DataFrame,
    clips: pd.DataFrame,
    frames: Path,
    params: Params,
    lock: DataLock,
    kept: Path,
) -> pd.DataFrame:
    """Run the detector on the stored frame of each keyframe that has one.

    Args:
        kept: file of the batches that are done.
    """
    located = locate_keyframes(
        keyframes,
        clips[(clips["subset"] == subset.name) & (clips["split"] == subset.split)],
        read_stored_frames(frames),
        lost=pd.Series([], dtype="str"),
        window=(params.list_clips.frames_before, params.list_clips.frames_after),
    )
    shown = located[located["reason"] == 0].reset_index(drop=True)
    numbers = shown["frame"].clip(1, shown["last_frame"])
    keys = list(zip(shown["clip"].tolist(), numbers.tolist(), strict=True))
    boxes = _detect(FrameStore(frames), keys, params.detect_people, lock, kept)
    of_keys = [boxes[key] for key in keys]
    counts = [len(rows) for rows in of_keys]
    rows = np.concatenate([np.empty((0, 5)), *of_keys])
    table = shown.loc[np.repeat(np.arange(len(shown)), counts), ["video_id", "timestamp"]]
    columns = {name: rows[:, i] for i, name in enumerate(COLUMNS[2:])}
    return table.reset_index(drop=True).assign(**columns)


def _detect(
    store: FrameStore,
    shown: list[FrameKey],
    settings: DetectPeople,
    lock: DataLock,
    kept: Path,
) -> dict[FrameKey, Boxes]:
    # Here, not above: torch takes seconds to load, and most datasets come with proposals.
    import torch

    from pipeline.people.people_detector import detect, fetch_weights, load_detector

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weights = fetch_weights(settings.weights, settings.sha256, lock)
    finished = FinishedBatches(kept, _fingerprint(weights, settings, device.type))
    detector = None
    boxes: dict[FrameKey, Boxes] = {}
    names = []
    shown = list(dict.fromkeys(shown))
    with Progress(len(shown), "detect people", "keyframe") as progress:
        for batch in _batches(shown, store, settings.batch_size):
            names.append(batch_name([store.jpeg(clip, number) for clip, number in batch]))
            found = finished.get(names[-1])
            if found is None:
                if detector is None:
                    detector = load_detector(weights, settings.min_score, device)
                keys = [store.decode(clip, [number])[0] for clip, number in batch]
                found = detect(detector, keys, settings.min_side_px, device)
                finished.add(names[-1], found)
            boxes |= zip(batch, found, strict=True)
            progress.advance(len(batch))
    finished.keep(names)
    return boxes


def _batches(keys: list[FrameKey], store: FrameStore, size: int) -> list[list[FrameKey]]:
    """Stills of one shard each: which other shards there are changes no clip's boxes."""
    by_shard: dict[str, list[FrameKey]] = {}
    for key in keys:
        by_shard.setdefault(store.shard(key[0]), []).append(key)
    return [
        some[first : first + size]
        for _, some in sorted(by_shard.items())
        for first in range(0, len(some), size)
    ]


def _fingerprint(weights: Path, settings: DetectPeople, device: str) -> str:
    """Return a digest of all that the boxes depend on, but for the keys."""
    values = [settings.min_score, settings.min_side_px, settings.batch_size, device]
    versions = [version(package) for package in ("torch", "torchvision")]
    parts = [*map(str, values), *versions, hash_file(weights).sha256, code_digest("detect_people")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
