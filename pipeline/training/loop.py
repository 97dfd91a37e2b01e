"""The training loop of detectors and of the backbones they start from.

Data order, views, jitter and dropout are functions of (seed, epoch, step) alone. A run that was
interrupted therefore ends in the same bits as one that was not, whatever the number of workers.
"""

import ctypes
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from pipeline.progress import Progress
from pipeline.sections import Optimisation
from pipeline.training.keyframe_dataset import Batch, Example, Place
from pipeline.training.schedule import learning_rate, make_optimizer, update
from pipeline.training.state import Position, SavedState

logger = logging.getLogger(__name__)

TRAIN_SPLIT = "train"
MEASURED = ("loss", "learning_rate", "mAP")


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and how it is judged.

    Attributes:
        what: shown with the progress: "train focal".
        examples: indexed by `Place`.
        collate: makes a batch of examples.
        loss: scalar loss of a batch on the model's device.
        describe: names an example by its position, for messages.
        validate: mAP by split after an epoch (counted from 1); empty when it is not validated.
        measured: told the epoch (from 1) and its figures as soon as they are known.
    """

    what: str
    examples: Dataset[Example]
    num_examples: int
    collate: Callable[[Sequence[Example]], Batch]
    loss: Callable[[nn.Module, Batch], Tensor]
    describe: Callable[[int], str]
    validate: Callable[[nn.Module, int], Mapping[str, float]]
    measured: Callable[[int, Mapping[str, float]], None] = lambda epoch, values: None


def set_up(threads: int, deterministic: bool) -> torch.device:
    """Fix the number of threads, on which sums of floats depend; return the device to use."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    _keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if deterministic and device.type == "cuda":
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    return device


def _keep_memory() -> None:
    """Ask glibc to reuse the memory of large tensors instead of returning it at once.

    Otherwise every activation is mapped, faulted in and unmapped anew: a fifth of a small step.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3  # names of glibc's malloc.h
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)


def train(
    task: Task, model: nn.Module, settings: Optimisation, state: SavedState
) -> list[dict[str, Any]]:
    """Train in place.

    Returns: rows of history.csv: epoch (from 1), split, loss (mean of the epoch's steps),
        learning_rate (of the last step), mAP; what a row does not have is None.

    Raises:
        ValueError: the loss or a gradient is not finite; names epoch, step and examples.
    """
    optimizer = make_optimizer(
        model.parameters(), settings.optimizer, settings.momentum, settings.weight_decay
    )
    position = state.resume(model, optimizer)
    steps = math.ceil(task.num_examples / settings.batch_size)
    left = (settings.epochs - position.epoch) * steps - position.step
    with state, Progress(left, task.what, unit="step") as progress:
        while position.epoch < settings.epochs:
            _train_epoch(task, model, optimizer, settings, position, state, progress)
            epoch, position.epoch = position.epoch + 1, position.epoch + 1
            rate = _rate(settings, epoch * steps - 1, steps)
            loss = float(np.mean(position.losses))
            position.history.append(_row(epoch, TRAIN_SPLIT, loss=loss, learning_rate=rate))
            figures = {"loss": loss, "learning_rate": rate}
            for split, value in task.validate(model, epoch).items():
                position.history.append(_row(epoch, split, mAP=value))
                figures[f"{split}/epoch_mAP"] = value
            task.measured(epoch, figures)
            position.step, position.losses = 0, []
    return position.history


def _train_epoch(
    task: Task,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: Optimisation,
    position: Position,
    state: SavedState,
    progress: Progress,
) -> None:
    """Take the steps of an epoch that are left."""
    model.train()
    parameters = list(model.parameters())
    batches = epoch_batches(task.num_examples, settings.batch_size, settings.seed, position.epoch)
    loader = DataLoader(
        task.examples,
        batch_sampler=batches[position.step :],
        collate_fn=task.collate,
        num_workers=settings.workers,
        multiprocessing_context="spawn" if settings.workers else None,
    )
    for batch in loader:
        rate = _rate(settings, position.epoch * len(batches) + position.step, len(batches))
        torch.manual_seed(step_seed(settings.seed, position.epoch, position.step))
        loss = task.loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = update(optimizer, parameters, rate, settings.clip_norm)
        _refuse_nan(task, batch, position, loss.item(), norm)
        position.losses.append(loss.item())
        position.step += 1
        progress.advance(1, note=f"epoch {position.epoch + 1}, loss {loss.item():.4f}")
        state.after_step(model, optimizer, position)


def epoch_batches(num_examples: int, batch_size: int, seed: int, epoch: int) -> list[list[Place]]:
    """Every example once, in an order of its own each epoch; the last batch may be smaller."""
    order = np.random.default_rng([seed, epoch]).permutation(num_examples)
    places = [Place(epoch, int(position)) for position in order]
    return [places[start : start + batch_size] for start in range(0, num_examples, batch_size)]


def _rate(settings: Optimisation, iteration: int, steps: int) -> float:
    lengths = settings.epochs, settings.warmup_epochs
    return learning_rate(iteration, steps, *lengths, settings.learning_rate)


def _row(epoch: int, split: str, **values: float) -> dict[str, Any]:
    return {"epoch": epoch, "split": split, **dict.fromkeys(MEASURED), **values}


def step_seed(seed: int, epoch: int, step: int) -> int:
    """Seed of a step's dropout."""
    return int(np.random.SeedSequence([seed, epoch, step]).generate_state(1, np.uint64)[0] >> 1)


def _refuse_nan(task: Task, batch: Batch, position: Position, loss: float, norm: float) -> None:
    if math.isfinite(loss) and math.isfinite(norm):
        return
    names = ", ".join(task.describe(each) for each in batch.positions[:8])
    raise ValueError(
        f"{task.what}: epoch {position.epoch + 1}, step {position.step + 1}: found loss {loss} and "
        f"gradient norm {norm}, expected finite numbers; lower learning_rate, or look at {names}"
    )
