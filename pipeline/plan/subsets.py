"""How many clips, keyframes and frames a subset has, as far as it is known by now."""

import gzip
from dataclasses import replace
from pathlib import Path

from pipeline.clips import parse_windows, read_clips
from pipeline.plan.figures import PUBLISHED, UNKNOWN, Size
from pipeline.sampling import FPS
from pipeline.settings.params import Params
from pipeline.settings.sections import DrawWorld, Subset


def subset_size(params: Params, subset: Subset, data: Path) -> Size:
    """Return the size by the files that are there, else as published, else unknown.

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


def _drawn(world: DrawWorld, subset: Subset) -> Size:
    """Return the size of a subset of the synthetic dataset, with a keyframe every second."""
    is_train = subset.split == "train"
    if subset.clip_list is None:
        clips = world.ava_train_videos if is_train else world.ava_val_videos
        seconds = world.ava_seconds
    else:
        clips = world.kinetics_train_clips if is_train else world.kinetics_val_clips
        seconds = world.kinetics_seconds
    return Size(clips, clips * seconds, clips * seconds * FPS)
