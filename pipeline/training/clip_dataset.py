"""Clips with one label each, on which a backbone is pretrained.

What a clip looks like is a function of (seed, epoch, position), as with keyframes.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from pipeline.models.augmentations import (
    COLOURS,
    Augmentation,
    augmented_crop,
    drawn_colours,
)
from pipeline.sampling import Sampling
from pipeline.training.batches import (
    Batches,
    Example,
    ExampleKey,
    FrameSource,
    Persons,
    frame_bytes,
)


class ClipSource(FrameSource, Protocol):
    """The part of the frame store that this dataset needs."""

    def __contains__(self, clip: object) -> bool: ...

    def numbers(self, clip: str) -> npt.NDArray[np.int32]: ...

    def size(self, clip: str) -> tuple[int, int]: ...


class LabelledClips(Batches[ExampleKey]):
    """Random spans of labelled clips, randomly cropped.

    Args:
        clips: names of the clips.
        class_ids: the class of each, 0, 1, ...
        frames: where their frames are stored.
        sampling: which frames of a span are used.
        seed: of spans and crops.
        augmentations: of frames, in their order.
    """

    def __init__(
        self,
        clips: Sequence[str],
        class_ids: Sequence[int],
        frames: ClipSource,
        sampling: Sampling,
        seed: int,
        augmentations: Sequence[Augmentation],
    ) -> None:
        super().__init__(frames)
        self.clips, self._class_ids = list(clips), list(class_ids)
        self._stored, self._sampling, self._seed = frames, sampling, seed
        self._augmentations = augmentations

    def __len__(self) -> int:
        return len(self.clips)

    def clip_bytes(self) -> int:
        sizes = np.array([self._stored.size(clip) for clip in self.clips])
        return frame_bytes(sizes) * self._sampling.num_frames

    def example(self, key: ExampleKey, /) -> Example:
        generator = key.generator(self._seed)
        clip = self.clips[key.position]
        numbers = random_span(self._stored.numbers(clip), self._sampling, generator)
        size = self._stored.size(clip)
        crop = augmented_crop(size, self._augmentations, generator)
        colours = drawn_colours(self._augmentations, key.generator(self._seed, COLOURS))
        return Example(key.position, clip, numbers, size, crop, colours)

    def persons(self, keys: Sequence[ExampleKey], _examples: Sequence[Example], /) -> Persons:
        """Return no boxes, and the class of each clip as its label."""
        labels = torch.tensor([self._class_ids[key.position] for key in keys])
        return Persons(torch.zeros(0, 5), labels)


def random_span(
    stored: npt.NDArray[np.int32], sampling: Sampling, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return [T] frame numbers of a random span; a frame that is not stored becomes the next one.

    Args:
        stored: numbers of the clip's stored frames, ascending.
        sampling: which frames of a span are used.
        generator: draws where the span lies.
    """
    first, last = int(stored[0]), int(stored[-1])
    low, high = first - int(sampling.offsets[0]), last - int(sampling.offsets[-1])
    centre = int(generator.integers(low, high + 1)) if low <= high else (first + last) // 2
    wanted = sampling.numbers(centre, last)
    next_stored = np.minimum(np.searchsorted(stored, wanted), len(stored) - 1)
    return stored[next_stored].astype(np.int64)


def choose_clips(
    clips: pd.DataFrame, labels: Sequence[str], clips_per_label: int, frames: ClipSource
) -> pd.DataFrame:
    """Choose the first clips of each label that have frames, none of them from validation.

    Args:
        clips: the clip table.
        labels: classes to take; none means all.
        clips_per_label: how many clips of a class are taken at most.
        frames: where the frames are stored.

    Returns: clip and label, sorted by both.
    """
    usable = clips[clips["split"].isin(["train", "pretrain"]) & (clips["label"] != "")]
    if labels:
        usable = usable[usable["label"].isin(list(labels))]
    usable = usable[[clip in frames for clip in usable["clip"]]]
    usable = usable.assign(extra=usable["split"] == "pretrain")
    first = usable.sort_values(["label", "extra", "clip"]).groupby("label").head(clips_per_label)
    return first.sort_values(["label", "clip"])[["clip", "label"]].reset_index(drop=True)
