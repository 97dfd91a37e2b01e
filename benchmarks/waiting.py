"""How much of its time a GPU works: training on stored frames, beside one batch that stays there.

    python -m benchmarks.waiting

Training steps of the full 8x8 detector as the stage takes them: workers decode, the card resizes,
crops, flips and normalises. Without a GPU the row is there and empty.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path

import torch

from benchmarks.made_frames import write_clips
from benchmarks.rows import Row, compared, report
from pipeline.models.augmentations import scale_crop_flip
from pipeline.models.losses import BinaryCrossEntropy
from pipeline.models.networks import ActionDetector, build_detector
from pipeline.models.slow_only import slowonly_r50
from pipeline.sampling import Sampling
from pipeline.training.batches import Batch, ExampleKey
from pipeline.training.hardware import in_precision, set_up
from pipeline.training.keyframe_dataset import TrainingKeyframes
from pipeline.training.prefetch import load_batches
from pipeline.training.step import make_optimizer, update
from pipeline.video.frame_store import FrameStore

WORK, AGAINST = "training on micro-batches of 8 clips, fed", "one batch that stays on the card"
NUM_CLIPS, MICRO_BATCH_SIZE, PER_STEP = 32, 8, 8
WARM_UP, MICRO_BATCHES, TURNS = 40, 80, 3
GOAL = 0.95  # the card waits less than 5 % of the time


def rows() -> Iterator[Row]:
    if not torch.cuda.is_available():
        yield Row(WORK, AGAINST, note="no GPU")
        return
    device = set_up(threads=1, deterministic=False)
    model = build_detector(slowonly_r50, deterministic=False).to(device).train()
    workers = min(16, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        index = write_clips(folder, NUM_CLIPS, 340, 256)
        store = FrameStore(folder / "store")
        augmentations = scale_crop_flip((256, 320), 256)
        dataset = TrainingKeyframes(index, store, Sampling.parse("8x8"), 0, augmentations, 32, 0.9)
        fed, resting = measure(model, dataset, device, workers, WARM_UP, MICRO_BATCHES, TURNS)
    note = f"{workers} workers"
    yield compared(WORK, AGAINST, "clips/s", fed, resting, at_least=GOAL, note=note)


def measure(
    model: ActionDetector,
    dataset: TrainingKeyframes,
    device: torch.device,
    workers: int,
    warm_up: int,
    micro_batches: int,
    turns: int,
) -> tuple[list[float], list[float]]:
    """Return clips per second of each turn: fed by workers, and on a batch that stays."""
    train = training_of(model)
    stream = fed_batches(dataset, device, workers, warm_up + turns * micro_batches)
    staying = next(stream)
    train(repeat(staying), warm_up // 2)
    train(stream, warm_up // 2)
    fed, resting = [], []
    for _ in range(turns):
        fed.append(rate(lambda: train(stream, micro_batches), micro_batches * MICRO_BATCH_SIZE))
        resting.append(
            rate(lambda: train(repeat(staying), micro_batches), micro_batches * MICRO_BATCH_SIZE)
        )
    return fed, resting


def fed_batches(
    dataset: TrainingKeyframes, device: torch.device, workers: int, number: int
) -> Iterator[Batch]:
    """Batches as training gets them, of all keyframes in turn."""
    places = [
        [
            ExampleKey(epoch, position=(epoch * MICRO_BATCH_SIZE + clip) % len(dataset))
            for clip in range(MICRO_BATCH_SIZE)
        ]
        for epoch in range(number)
    ]
    return load_batches(dataset, places, workers, device)


def training_of(model: ActionDetector) -> Callable[[Iterable[Batch], int], None]:
    """Return a function that trains on so many micro-batches, `PER_STEP` of them a step."""
    parameters = list(model.parameters())
    device = parameters[0].device
    optimizer = make_optimizer(parameters, "sgd", 0.9, 1e-5)

    def train(batches: Iterable[Batch], number: int) -> None:
        for done, batch in zip(range(1, number + 1), batches, strict=False):
            with in_precision("auto", device):
                logits = model(batch.model_input(), batch.boxes)
            loss = BinaryCrossEntropy()(logits.float(), batch.labels).mean
            loss.backward()  # type: ignore[no-untyped-call]
            if done % PER_STEP == 0:
                update(optimizer, parameters, 1e-3, clip_norm=40.0)

    return train


def rate(train: Callable[[], None], num_clips: int) -> float:
    """Return clips per second by the wall's clock."""
    start = time.perf_counter()
    train()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return num_clips / (time.perf_counter() - start)


if __name__ == "__main__":
    report(rows)
