"""Collect the person boxes of a split's keyframes: published ones, or a detector's.

A subset of the dataset names a file of proposals or `detect`. Keyframes without a box in such a
file stay without, as in the published study, unless `fill_gaps` runs the detector on them.
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
from pipeline.annotations.video_names import tell_missing
from pipeline.clips import read_clips
from pipeline.core.progress import Progress
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
UNNAMED = "videos_without_proposals"
COUNTS = ["keyframes", "keyframes_without_proposals", "proposals"]
COUNTS += [
    UNNAMED,
    "dropped_without_area",
    "dropped_other_keyframe",
    "dropped_duplicate",
]
DETECT = "detect"  # the value of `proposals` where no file of them is published


def detect_people(
    raw: Path,
    frames: Path,
    clips: Path,
    split: str,
    proposals: Path,
    params: Params,
    lock: DataLock = UNLOCKED,
    *,
    code: str = "",
) -> dict[str, float]:
    """Write the person boxes of one split; return counts and the recall of ground truth boxes.

    Of the boxes that were read or detected, `proposals`, each is in `boxes` or in a `dropped_...`.
    What the detector finds stays in a hidden file per subset for a later job with other clips.

    Args:
        raw, frames: folders of the raw annotations and of the frame store.
        clips, proposals: the clip table to read and the file to write.
        lock: hashes that downloaded weights must have.
        code: a digest of the stage's code; boxes of other code are detected again.
    """
    collected, ground_truths = [], []
    counts: dict[str, float] = dict.fromkeys(COUNTS, 0)
    in_use: set[Path] = set()
    for subset in params.subsets(split):
        ground_truth = read_ground_truth(raw / subset.ground_truth)
        excluded = read_exclusions(raw / subset.excluded if subset.excluded else None)
        keyframes, positions = annotated_keyframes(ground_truth, excluded)
        found, gaps = _published(raw, subset, keyframes, params.detect_people.fill_gaps)
        if len(gaps) or not found:
            # Beside the output, not in it: Snakemake deletes the outputs of a job that was killed.
            partial = proposals.with_name(f".{proposals.name}.{subset.name}.partial")
            located = _with_frames(gaps, read_clips(clips), frames, subset, params)
            store, settings = FrameStore(frames), params.detect_people
            found.append(_detect_at(located, store, settings, lock, partial, code))
            in_use.add(partial)
        collected.append(select_proposals(pd.concat(found, ignore_index=True), keyframes))
        _add_counts(counts, subset.name, keyframes, found, collected[-1])
        persons = ground_truth[(positions >= 0) & (ground_truth["action_id"] != 0).to_numpy()]
        ground_truths.append(persons.drop_duplicates(["video_id", "timestamp", *BOX]))
    table = pd.concat(collected, ignore_index=True)
    table = select_proposals(table, table)  # subsets may share keyframes
    _add_dropped(counts, split, [table])
    write_proposals(proposals, table)
    # Of a subset that has published proposals now, or is gone.
    for partial in set(proposals.parent.glob(f".{proposals.name}.*.partial")) - in_use:
        partial.unlink()
    counts["boxes"] = len(table)
    return counts | _recall(split, pd.concat(ground_truths, ignore_index=True), table)


def _published(
    raw: Path, subset: Subset, keyframes: pd.DataFrame, fill_gaps: bool
) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    """Return the published proposals of a subset, and the keyframes to run the detector on."""
    if subset.proposals == DETECT:
        return [], keyframes
    proposals = read_proposals(raw / subset.proposals)
    proposals.attrs[UNNAMED] = _check_videos(raw / subset.proposals, proposals, keyframes)
    if not fill_gaps:
        return [proposals], keyframes[:0]
    named, wanted = keyframe_keys(proposals, keyframes)
    return [proposals], keyframes[~np.isin(wanted, named)]


def _check_videos(path: Path, proposals: pd.DataFrame, keyframes: pd.DataFrame) -> int:
    """Return how many videos with keyframes have no boxes in a file, and warn of them.

    Raises:
        ValueError: no video has any, and those of the file are called nearly so.
    """
    videos, known = set(keyframes["video_id"]), set(proposals["video_id"])
    if missing := videos - known:
        tell_missing(str(path), missing, len(videos), known - videos)
        return len(missing)
    named, wanted = keyframe_keys(proposals, keyframes)
    if len(wanted) and not np.isin(wanted, named).any():
        logger.warning(
            "%s: found boxes at other seconds than those of the %d keyframes, such as %g of %s",
            *(path, len(wanted), proposals["timestamp"].iloc[0], proposals["video_id"].iloc[0]),
        )
    return 0


def _add_counts(
    counts: dict[str, float],
    subset: str,
    keyframes: pd.DataFrame,
    found: list[pd.DataFrame],
    selected: pd.DataFrame,
) -> None:
    num_named = len(selected[["video_id", "timestamp"]].drop_duplicates())
    counts["keyframes"] += len(keyframes)
    counts[UNNAMED] += sum(boxes.attrs.get(UNNAMED, 0) for boxes in found)
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


def _recall(split: str, persons: pd.DataFrame, proposals: pd.DataFrame) -> dict[str, float]:
    """Return how many boxes of the ground truth some proposal of their keyframe fits."""
    overlaps = best_overlaps(persons, proposals)
    counts: dict[str, float] = {"ground_truth_boxes": len(overlaps)}
    for threshold in (0.5, 0.75):
        num_found = int(np.sum(overlaps >= threshold))
        # Counts of splits can be added up, shares cannot.
        counts[f"ground_truth_boxes_found_at_{threshold}"] = num_found
        if len(overlaps):
            counts[f"recall_{split}_at_{threshold}"] = num_found / len(overlaps)
        logger.info("%s: recall at IoU %s: %d of %d", split, threshold, num_found, len(overlaps))
    return counts


def _with_frames(
    keyframes: pd.DataFrame, clips: pd.DataFrame, frames: Path, subset: Subset, params: Params
) -> pd.DataFrame:
    """Return the keyframes that have a stored frame, with their clip and that frame's number."""
    located = locate_keyframes(
        keyframes,
        clips[(clips["subset"] == subset.name) & (clips["split"] == subset.split)],
        read_stored_frames(frames),
        lost=pd.Series([], dtype="str"),
        window=(params.list_clips.frames_before, params.list_clips.frames_after),
    )
    stored = located[located["reason"] == 0].reset_index(drop=True)
    return stored.assign(frame=stored["frame"].clip(1, stored["last_frame"]))


def _detect_at(
    keyframes: pd.DataFrame,
    store: FrameStore,
    settings: DetectPeople,
    lock: DataLock,
    partial: Path,
    code: str,
) -> pd.DataFrame:
    """Run the detector on the frame of each keyframe; return the boxes as a table of proposals."""
    keys = list(zip(keyframes["clip"].tolist(), keyframes["frame"].tolist(), strict=True))
    boxes = _detect(store, list(dict.fromkeys(keys)), settings, lock, partial, code)
    of_keys = [boxes[key] for key in keys]
    counts = [len(rows) for rows in of_keys]
    rows = np.concatenate([np.empty((0, 5)), *of_keys])
    table = keyframes.loc[np.repeat(np.arange(len(keys)), counts), ["video_id", "timestamp"]]
    columns = {name: rows[:, i] for i, name in enumerate(COLUMNS[2:])}
    return table.reset_index(drop=True).assign(**columns)


def _detect(
    store: FrameStore,
    keys: list[FrameKey],
    settings: DetectPeople,
    lock: DataLock,
    partial: Path,
    code: str,
) -> dict[FrameKey, Boxes]:
    """Return the boxes of each frame.

    Args:
        partial: file of the batches that are done.
        code: a digest of the code that the boxes depend on.
    """
    # Here, not above: torch takes seconds to load, and most datasets come with proposals.
    import torch

    from pipeline.people.person_detector import detect, fetch_weights, load_detector

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weights = fetch_weights(settings.weights, settings.sha256, lock)
    finished = FinishedBatches(partial, _fingerprint(weights, settings, device.type, code))
    detector = None
    boxes: dict[FrameKey, Boxes] = {}
    names = []
    with Progress(len(keys), "detect persons", "keyframe") as progress:
        for batch in _batches(keys, store, settings.batch_size):
            names.append(batch_name([store.jpeg(clip, number) for clip, number in batch]))
            found = finished.get(names[-1])
            if found is None:
                if detector is None:
                    detector = load_detector(weights, settings.min_score, device)
                images = [store.decode(clip, [number])[0] for clip, number in batch]
                found = detect(detector, images, settings.min_side_px, device)
                finished.add(names[-1], found)
            boxes |= zip(batch, found, strict=True)
            progress.advance(len(batch))
    finished.keep(names)
    return boxes


def _batches(keys: list[FrameKey], store: FrameStore, size: int) -> list[list[FrameKey]]:
    """Return frames of one shard each: other shards then change no clip's boxes."""
    by_shard: dict[str, list[FrameKey]] = {}
    for key in keys:
        by_shard.setdefault(store.shard(key[0]), []).append(key)
    return [
        some[first : first + size]
        for _, some in sorted(by_shard.items())
        for first in range(0, len(some), size)
    ]


def _fingerprint(weights: Path, settings: DetectPeople, device: str, code: str) -> str:
    """Return a digest of all that the boxes depend on, but for the frames."""
    values = [settings.min_score, settings.min_side_px, settings.batch_size, device]
    versions = [version(package) for package in ("torch", "torchvision")]
    texts = [*map(str, values), *versions, hash_file(weights).sha256, code]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
