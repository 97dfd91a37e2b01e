"""From stored frames to the trainer, beside a plain loader; decoding beside bare simplejpeg.

    python -m benchmarks.feeding

The plain loader does what the original does to the images: a file per frame, written by ffmpeg at
its best quality, OpenCV for decoding, resizing, cropping and flipping. Boxes and labels, which only
ours prepares, count against us. Files are in the page cache on both sides; one thread.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from benchmarks.made_frames import KEYFRAME, NUM_FRAMES, write_clips
from benchmarks.rows import Row, compared, cpu_seconds, in_turn, report
from pipeline.models.augmentations import augmented_crop, scale_crop_flip
from pipeline.sampling import Sampling
from pipeline.training.batches import Batch, ExampleKey
from pipeline.training.hardware import set_up
from pipeline.training.keyframe_dataset import TrainingKeyframes
from pipeline.training.prefetch import load_batches
from pipeline.video.frame_store import FrameStore

TURNS = 31  # many, as little disturbs what takes a tenth of a second
TURNS_OF_WORKERS, BATCHES, WARM_BATCHES = 6, 30, 6  # a worker starts anew each turn
NUM_CLIPS, BATCH = 16, 8
WIDTH, HEIGHT = 340, 256
SHORT_SIDE, CROP = (256, 320), 256
SAMPLING = Sampling.parse("8x8")
NUMBERS = SAMPLING.numbers(KEYFRAME, NUM_FRAMES)  # without jitter
PLACES = [
    [ExampleKey(number, (number * BATCH + clip) % NUM_CLIPS) for clip in range(BATCH)]
    for number in range(BATCHES)
]


def rows() -> Iterator[Row]:
    set_up(threads=1, deterministic=True)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        index = write_clips(folder, NUM_CLIPS, WIDTH, HEIGHT)
        clips = index.clip.to_pylist()
        store = FrameStore(folder / "store")
        augmentations = scale_crop_flip(SHORT_SIDE, CROP)
        dataset = Clocked(index, store, SAMPLING, 0, augmentations, 32, 0.9)
        encoded = {clip: list(store.jpegs(clip, NUMBERS)) for clip in clips}
        files = folder / "files"
        plain = PlainBatches(files, clips)
        measured = in_turn(
            {
                "ours": cpu_seconds(lambda: make_each_clip(dataset)),
                "plain": cpu_seconds(lambda: make_each_clip(plain)),
                "decoding": cpu_seconds(lambda: [decode_ours(store, clip) for clip in encoded]),
                "bare": cpu_seconds(lambda: [decode_bare(jpegs) for jpegs in encoded.values()]),
                "OpenCV": cpu_seconds(lambda: plain_decoding(files, clips)),
            },
            TURNS,
        )
        in_worker = in_turn(
            {
                "ours": seconds_a_batch(lambda: starts_of_ours(dataset)),
                "plain": seconds_a_batch(lambda: starts_of_plain(plain)),
            },
            TURNS_OF_WORKERS,
        )

    def row(work: str, ours: str, against: str, theirs: str, **more: Any) -> Row:
        return compared(work, against, "CPU s", measured[ours], measured[theirs], **more)

    ours, theirs = in_worker["ours"], in_worker["plain"]
    floor = min(measured["bare"]) / (NUM_CLIPS // BATCH) / min(theirs)
    note = f"bare simplejpeg of whole images {floor:.3f}"
    work = f"{BATCH} samples in a worker, frame store to trainer"
    yield compared(work, "plain loader", "CPU s", ours, theirs, at_most=0.45, note=note)
    yield row(f"{NUM_CLIPS} samples, frame store to batch", "ours", "plain loader", "plain")
    work = f"decoding {NUM_CLIPS} x 8 frames"
    yield row(work, "decoding", "bare simplejpeg", "bare", at_most=1.1)
    yield row(work, "decoding", "OpenCV, file per frame", "OpenCV")


class Clocked(TrainingKeyframes):
    """Says in the place of a batch's positions when its making began, in CPU s of the process."""

    def make(self, keys: Sequence[ExampleKey], memory: torch.Tensor | None = None) -> Batch:
        start = time.process_time_ns()
        return super().make(keys, memory)._replace(positions=[start])


class PlainBatches(Dataset[tuple[int, torch.Tensor]]):
    """The plain loader in a worker; with each batch when its making began, likewise."""

    def __init__(self, files: Path, clips: Sequence[str]) -> None:
        self._files, self._clips = files, clips

    def __getitem__(self, places: Sequence[ExampleKey]) -> tuple[int, torch.Tensor]:
        start = time.process_time_ns()
        cv2.setNumThreads(1)
        draw = np.random.default_rng(places[0].epoch)
        names = [self._clips[place.position] for place in places]
        return start, default_collate([plain_sample(self._files / name, draw) for name in names])


def starts_of_ours(dataset: Clocked) -> list[int]:
    return [batch.positions[0] for batch in load_batches(dataset, PLACES, 1, torch.device("cpu"))]


def starts_of_plain(batches: PlainBatches) -> list[int]:
    loader: Iterable[Any] = DataLoader(
        batches,
        batch_size=None,
        sampler=PLACES,
        num_workers=1,
        multiprocessing_context="spawn",
    )
    return [int(start) for start, _ in loader]


def seconds_a_batch(starts: Callable[[], Sequence[int]]) -> Callable[[], float]:
    """What a worker takes from one batch to the next at its best, handing it over included."""
    return lambda: float(np.diff(starts())[WARM_BATCHES:].min() / 1e9)


def make_each_clip(batches: Clocked | PlainBatches) -> None:
    for places in PLACES[: NUM_CLIPS // BATCH]:
        batches[places]


def plain_sample(folder: Path, draw: np.random.Generator) -> np.ndarray:
    """Return [3, T, H, W] uint8, one random view for all images."""
    low, high = SAMPLING.jitter_range
    jitter = draw.integers(low, high + 1, SAMPLING.num_frames)
    images = plain_frames(folder, SAMPLING.numbers(KEYFRAME, NUM_FRAMES, jitter))
    view = augmented_crop((WIDTH, HEIGHT), scale_crop_flip(SHORT_SIDE, CROP), draw)
    shown = []
    for image in images:
        resized = cv2.resize(image, (view.width, view.height), interpolation=cv2.INTER_LINEAR)
        cropped = resized[view.top : view.top + CROP, view.left : view.left + CROP]
        shown.append(cv2.flip(cropped, 1) if view.flip else cropped)
    return np.stack(shown).transpose(3, 0, 1, 2)


def plain_frames(folder: Path, numbers: np.ndarray) -> list[np.ndarray]:
    found = []
    for number in numbers:
        encoded = np.frombuffer((folder / f"img_{number:05d}.jpg").read_bytes(), np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        assert image is not None
        found.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    return found


def plain_decoding(files: Path, clips: Sequence[str]) -> None:
    for clip in clips:
        plain_frames(files / clip, NUMBERS)


def decode_ours(store: FrameStore, clip: str) -> None:
    """Whole images, as in evaluation."""
    store.decode(clip, NUMBERS)


def decode_bare(jpegs: list[bytes]) -> list[np.ndarray]:
    return [simplejpeg.decode_jpeg(jpeg, colorspace="RGB") for jpeg in jpegs]


if __name__ == "__main__":
    report(rows)
