"""Clips with one label each, on which a backbone is pretrained.

What a clip looks like is a function of (seed, epoch, position), as with keyframes.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from pipeline.sampling import Sampling
from pipeline.training.batches import Batches, Example, FrameSource, People, still_bytes
from pipeline.training.keyframe_dataset import Place
from pipeline.training.transforms import random_view


class ClipSource(FrameSource, Protocol):
    """What this dataset needs of the frame store."""

    def __contains__(self, clip: object) -> bool: ...

    def numbers(self, clip: str) -> npt.NDArray[np.int32]: ...

    def size(self, clip: str) -> tuple[int, int]: ...


class LabelledClips(Batches[Place]):
    """Random stretches of labelled clips under random views.

    Args:
        clips: names of the clips, class_ids: the class of each, 0, 1, ...
        short_side_px: lowest and highest length of the shorter side after resizing.
    """

    def __init__(
        self,
        clips: Sequence[str],
        class_ids: Sequence[int],
        frames: ClipSource,
        sampling: Sampling,
        seed: int,
        short_side_px: tuple[int, int],
        crop_px: int,
    ) -> None:
        super().__init__(frames)
        self.clips, self._class_ids = list(clips), list(class_ids)
        self._stored, self._sampling, self._seed = frames, sampling, seed
        self._short_side, self._crop = short_side_px, crop_px

    def __len__(self) -> int:
        return len(self.clips)

    def clip_bytes(self) -> int:
        """What the stills of an example take at most."""
        sizes = np.array([self._stored.size(clip) for clip in self.clips])
        return still_bytes(sizes) * self._sampling.num_frames

    def example(self, place: Place, /) -> Example:
        draw = place.draw(self._seed)
        clip = self.clips[place.position]
        numbers = stretch(self._stored.numbers(clip), self._sampling, draw)
        size = self._stored.size(clip)
        view = random_view(size, self._short_side, self._crop, draw)
        return Example(place.position, clip, numbers, size, view)

    def people(self, places: Sequence[Place], _examples: Sequence[Example], /) -> People:
        """Nobody in particular; a label for each clip."""
        labels = torch.tensor([self._class_ids[place.position] for place in places])
        return People(torch.zeros(0, 5), labels)


def stretch(
    stored: npt.NDArray[np.int32], sampling: Sampling, draw: np.random.Generator
) -> npt.NDArray[np.int64]:
    """[T] stored frames of a random stretch; where frames lack, the next stored one stands in.

    Args:
        stored: numbers of the clip's stored frames, ascending.
    """
    first, last = int(stored[0]), int(stored[-1])
    low, high = first - int(sampling.offsets[0]), last - int(sampling.offsets[-1])
    centre = int(draw.integers(low, high + 1)) if low <= high else (first + last) // 2
    wanted = sampling.numbers(centre, last)
    nearest = np.minimum(np.searchsorted(stored, wanted), len(stored) - 1)
    return stored[nearest].astype(np.int64)


def choose_clips(
    clips: pd.DataFrame, labels: Sequence[str], clips_per_label: int, frames: ClipSource
) -> pd.DataFrame:
    """Clips to pretrain on: of each label the first few that have frames, none from validation.

    Args:
        clips: the clip table.
        labels: classes to take; none means all.

    Returns: clip and label, sorted by both.
    """
    usable = clips[clips["split"].isin(["train", "pretrain"]) & (clips["label"] != "")]
    if labels:
        usable = usable[usable["label"].isin(list(labels))]
    usable = usable[[clip in frames for clip in usable["clip"]]]
    usable = usable.assign(extra=usable["split"] == "pretrain")
    first = usable.sort_values(["label", "extra", "clip"]).groupby("label").head(clips_per_label)
    return first.sort_values(["label", "clip"])[["clip", "label"]].reset_index(drop=True)
