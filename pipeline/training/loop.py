"""The training loop of detectors and of the backbones they start from.

Data order, views, jitter and dropout are functions of (seed, epoch, step, pass) alone. A run that
was interrupted therefore ends in the same bits as one that was not, whatever the number of workers.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.core.progress import Progress
from pipeline.settings.sections import Optimisation
from pipeline.training.batches import Batch, Batches
from pipeline.training.global_step import accumulate, share_of
from pipeline.training.keyframe_dataset import Place
from pipeline.training.losses import LossSum
from pipeline.training.prefetch import prepared
from pipeline.training.processes import Processes
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
        examples: give a batch for the `Place`s of its examples.
        loss: of a batch that lies on the model's device.
        describe: names an example by its position, for messages.
        validate: mAP by split after an epoch (counted from 1), the split that judges first; empty
            when it is not validated. Every process calls it.
        measured: told the epoch (from 1) and its figures as soon as they are known.
    """

    what: str
    examples: Batches[Place]
    num_examples: int
    loss: Callable[[nn.Module, Batch], LossSum]
    describe: Callable[[int], str]
    validate: Callable[[nn.Module, int], Mapping[str, float]]
    measured: Callable[[int, Mapping[str, float]], None] = lambda epoch, values: None


@dataclass(frozen=True)
class Trained:
    """What a training leaves beside the model.

    Attributes:
        history: rows of history.csv: epoch (from 1), split, loss (mean of the epoch's steps),
            learning_rate (of the last step), mAP; what a row does not have is None.
        best_weights: of the epoch with the highest mAP (the first of equals), or of the last epoch
            when none was validated.
    """

    history: list[dict[str, Any]]
    best_weights: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Run:
    """What every function here works on."""

    task: Task
    model: nn.Module
    optimizer: torch.optim.Optimizer
    settings: Optimisation
    state: SavedState
    processes: Processes

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self.task.num_examples / self.settings.batch_size)

    def rate(self, iteration: int) -> float:
        """Learning rate, in proportion to the batch (Goyal et al., 2017)."""
        settings = self.settings
        full = settings.learning_rate * settings.batch_size / settings.learning_rate_batch
        return learning_rate(iteration, self.steps, settings.epochs, settings.warmup_epochs, full)


def train(
    task: Task,
    model: nn.Module,
    settings: Optimisation,
    state: SavedState,
    processes: Processes = Processes(),  # noqa: B008 frozen
) -> Trained:
    """Train in place; all processes end with equal weights.

    Raises:
        ValueError: the loss or a gradient is not finite; names epoch, step and examples.
    """
    most = math.ceil(settings.batch_size / settings.micro_batch_size)
    if processes.size > most:
        raise ValueError(
            f"{task.what}: found {processes.size} processes, expected at most {most}: a batch of "
            f"{settings.batch_size} has no more passes of {settings.micro_batch_size}"
        )
    optimizer = make_optimizer(
        model.parameters(), settings.optimizer, settings.momentum, settings.weight_decay
    )
    run = _Run(task, model, optimizer, settings, state, processes)
    position = state.resume(model, optimizer)
    left = (settings.epochs - position.epoch) * run.steps - position.step
    with state, Progress(left, task.what, unit="step") as progress:
        while position.epoch < settings.epochs:
            _train_epoch(run, position, progress)
            with state.between_epochs():
                _judge(run, position)
    return Trained(position.history, position.best_weights or model.state_dict())


def _judge(run: _Run, position: Position) -> None:
    """Close an epoch: its figures, its mAP, whether it is the best."""
    iteration = (position.epoch + 1) * run.steps - 1
    epoch, rate = position.epoch + 1, run.rate(iteration)
    loss = float(np.mean(position.losses))
    rows = [_row(epoch, TRAIN_SPLIT, loss=loss, learning_rate=rate)]
    figures = {"loss": loss, "learning_rate": rate}
    scores = run.task.validate(run.model, epoch)
    for split, value in scores.items():
        rows.append(_row(epoch, split, mAP=value))
        figures[f"{split}/epoch_mAP"] = value
    judged = next(iter(scores.values()), math.nan)
    if judged > position.best_score:
        position.best_score = judged
        weights = run.model.state_dict()
        position.best_weights = {name: value.cpu().clone() for name, value in weights.items()}
    run.task.measured(epoch, figures)
    position.history += rows
    position.epoch, position.step, position.losses = epoch, 0, []


def _train_epoch(run: _Run, position: Position, progress: Progress) -> None:
    """Take the steps of an epoch that are left."""
    settings, epoch = run.settings, position.epoch
    run.model.train()
    parameters = list(run.model.parameters())
    batches = epoch_batches(run.task.num_examples, settings.batch_size, settings.seed, epoch)
    left = [passes(batch, settings.micro_batch_size) for batch in batches[position.step :]]
    stream = _prepared(run, left)
    for whole in left:
        mine, seen = share_of(len(whole), run.processes), list[int]()
        losses = (partial(_loss, run, stream, position, number, seen) for number in mine)
        summed = accumulate(run.model, losses, run.processes, run.state.told_to_stop)
        rate = run.rate(epoch * run.steps + position.step)
        norm = update(run.optimizer, parameters, rate, settings.clip_norm)
        _refuse_nan(run.task, seen, position, summed.loss, norm)
        position.losses.append(summed.loss)
        position.step += 1
        progress.advance(1, note=f"epoch {epoch + 1}, loss {summed.loss:.4f}")
        is_last = position.step == run.steps
        run.state.after_step(run.model, run.optimizer, position, summed.stop, is_last)


def _loss(
    run: _Run, stream: Iterator[Batch], position: Position, number: int, seen: list[int]
) -> LossSum:
    """Loss of the next pass of this process; notes its examples in `seen`."""
    batch = next(stream)
    seen += batch.positions
    torch.manual_seed(pass_seed(run.settings.seed, position.epoch, position.step, number))
    return run.task.loss(run.model, batch)


def _prepared(run: _Run, steps: Iterable[Sequence[list[Place]]]) -> Iterator[Batch]:
    """The passes of this process, one after the other."""
    mine = [step[number] for step in steps for number in share_of(len(step), run.processes)]
    task, device = run.task, next(run.model.parameters()).device
    return prepared(task.examples, mine, run.settings.workers, device)


def epoch_batches(num_examples: int, batch_size: int, seed: int, epoch: int) -> list[list[Place]]:
    """Every example once, in an order of its own each epoch; the last batch may be smaller."""
    order = np.random.default_rng([seed, epoch]).permutation(num_examples)
    places = [Place(epoch, int(position)) for position in order]
    return [places[start : start + batch_size] for start in range(0, num_examples, batch_size)]


def passes(batch: list[Place], pass_size: int) -> list[list[Place]]:
    """The batch in parts that go through the network at once; the last may be smaller."""
    return [batch[start : start + pass_size] for start in range(0, len(batch), pass_size)]


def _row(epoch: int, split: str, **values: float) -> dict[str, Any]:
    return {"epoch": epoch, "split": split, **dict.fromkeys(MEASURED), **values}


def pass_seed(seed: int, epoch: int, step: int, number: int) -> int:
    """Seed of a pass's dropout."""
    sequence = np.random.SeedSequence([seed, epoch, step, number])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


def _refuse_nan(
    task: Task, seen: Sequence[int], position: Position, loss: float, norm: float
) -> None:
    if math.isfinite(loss) and math.isfinite(norm):
        return
    names = ", ".join(task.describe(each) for each in seen[:8])
    raise ValueError(
        f"{task.what}: epoch {position.epoch + 1}, step {position.step + 1}: found loss {loss} and "
        f"gradient norm {norm}, expected finite numbers; lower learning_rate, or look at {names}"
    )
