"""The training loop of detectors and of the backbones they start from.

One step of the optimizer takes a global batch, which is cut into micro-batches of a few clips. A
micro-batch goes through the network at once: it is what batch norm and dropout see, as one card's
share in the published run. Processes take whole micro-batches in turn. The number of processes
therefore changes the result only by the rounding of sums:

    gradient      sum over all micro-batches, divided by the number of terms in all their losses
    batch norm    running figures move once a step, towards the mean over the micro-batches
    dropout       drawn from (seed, epoch, step, micro-batch)

Data order, crops, jitter and dropout depend on nothing else, so a run that was interrupted ends in
the same bits as one that was not, whatever the number of workers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.core.progress import Progress
from pipeline.models.losses import LossSum
from pipeline.settings.sections import Optimisation
from pipeline.training.batches import Batch, Batches, ExampleKey
from pipeline.training.prefetch import load_batches
from pipeline.training.processes import Processes
from pipeline.training.state import Position, SavedState
from pipeline.training.step import GlobalStep, learning_rate, make_optimizer, update

TRAIN_SPLIT = "train"
MEASURED = ("loss", "learning_rate", "mAP")


def _no_scores(_model: nn.Module, _epoch: int) -> Mapping[str, float]:
    return {}


def _ignore_epoch(_epoch: int, _values: Mapping[str, float]) -> None:
    pass


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and how it is judged.

    Attributes:
        name: shown with the progress: "train focal".
        examples: make a batch for the keys of its examples.
        loss: returns the loss of a batch that lies on the model's device.
        describe: names an example by its position, for messages.
        validate: returns mAP by split after an epoch (counted from 1). The first split chooses the
            best epoch. Empty if the epoch is not validated. Every process calls it.
        on_epoch: called with the epoch (from 1) and its figures as soon as they are known.
    """

    name: str
    examples: Batches[ExampleKey]
    loss: Callable[[nn.Module, Batch], LossSum]
    describe: Callable[[int], str]
    validate: Callable[[nn.Module, int], Mapping[str, float]] = _no_scores
    on_epoch: Callable[[int, Mapping[str, float]], None] = _ignore_epoch


@dataclass(frozen=True)
class Trained:
    """What a training leaves beside the model.

    Attributes:
        history: rows of history.csv: epoch (from 1), split, loss (mean of the epoch's steps),
            learning_rate (of the last step), mAP; a value that a row does not have is None.
        best_weights: of the epoch with the highest mAP (the first of equals), or of the last epoch
            if none was validated.
    """

    history: list[dict[str, Any]]
    best_weights: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Run:
    """What every function of this module works on."""

    task: Task
    model: nn.Module
    optimizer: torch.optim.Optimizer
    settings: Optimisation
    state: SavedState
    processes: Processes

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.task.examples) / self.settings.batch_size)

    def rate(self, iteration: int) -> float:
        """Return the learning rate, in proportion to the batch (Goyal et al., 2017)."""
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
    """Train a model in place; all processes end with equal weights.

    Args:
        task: what is trained.
        model: on the device on which it trains.
        settings: of the optimisation.
        state: where the training is kept if it is interrupted.
        processes: that share the work.

    Raises:
        ValueError: the loss or a gradient is not finite; names epoch, step and examples.
    """
    most = math.ceil(settings.batch_size / settings.micro_batch_size)
    if processes.size > most:
        raise ValueError(
            f"{task.name}: found {processes.size} processes, expected at most {most}: a batch of "
            f"{settings.batch_size} has no more micro-batches of {settings.micro_batch_size}"
        )
    optimizer = make_optimizer(
        model.parameters(), settings.optimizer, settings.momentum, settings.weight_decay
    )
    run = _Run(task, model, optimizer, settings, state, processes)
    position = state.resume(model, optimizer)
    steps_left = (settings.epochs - position.epoch) * run.steps - position.step
    with state, Progress(steps_left, task.name, unit="step") as progress:
        while position.epoch < settings.epochs:
            _train_epoch(run, position, progress)
            with state.between_epochs():
                _finish_epoch(run, position)
    return Trained(position.history, position.best_weights or model.state_dict())


def _train_epoch(run: _Run, position: Position, progress: Progress) -> None:
    """Take the steps of an epoch that are left."""
    settings, epoch = run.settings, position.epoch
    run.model.train()
    parameters = list(run.model.parameters())
    batches = epoch_batches(len(run.task.examples), settings.batch_size, settings.seed, epoch)
    steps = [  # of each, this process's micro-batches with their numbers within the step
        run.processes.share(list(enumerate(micro_batches(batch, settings.micro_batch_size))))
        for batch in batches[position.step :]
    ]
    keys = [keys for step in steps for _, keys in step]
    loader = load_batches(run.task.examples, keys, settings.workers, parameters[0].device)
    for step in steps:
        total, seen = GlobalStep(run.model), list[int]()
        for number, _ in step:
            batch = next(loader)
            seen += batch.positions
            torch.manual_seed(micro_batch_seed(settings.seed, epoch, position.step, number))
            total.add(run.task.loss(run.model, batch))
        loss, stop = total.finish(run.processes, run.state.stop_requested)
        rate = run.rate(epoch * run.steps + position.step)
        norm = update(run.optimizer, parameters, rate, settings.clip_norm)
        _refuse_nan(run.task, seen, position, loss, norm)
        position.losses.append(loss)
        position.step += 1
        progress.advance(1, note=f"epoch {epoch + 1}, loss {loss:.4f}")
        is_last = position.step == run.steps
        run.state.after_step(run.model, run.optimizer, position, stop, is_last)


def _finish_epoch(run: _Run, position: Position) -> None:
    """Validate the model, keep the best weights, and add the epoch to the history."""
    iteration = (position.epoch + 1) * run.steps - 1
    epoch, rate = position.epoch + 1, run.rate(iteration)
    loss = float(np.mean(position.losses))
    rows = [_row(epoch, TRAIN_SPLIT, loss=loss, learning_rate=rate)]
    figures = {"loss": loss, "learning_rate": rate}
    scores = run.task.validate(run.model, epoch)
    for split, value in scores.items():
        rows.append(_row(epoch, split, mAP=value))
        figures[f"{split}/epoch_mAP"] = value
    score = next(iter(scores.values()), math.nan)
    if score > position.best_score:
        position.best_score = score
        weights = run.model.state_dict()
        position.best_weights = {name: value.cpu().clone() for name, value in weights.items()}
    run.task.on_epoch(epoch, figures)
    position.history += rows
    position.epoch, position.step, position.losses = epoch, 0, []


def _row(epoch: int, split: str, **values: float) -> dict[str, Any]:
    return {"epoch": epoch, "split": split, **dict.fromkeys(MEASURED), **values}


def epoch_batches(
    num_examples: int, batch_size: int, seed: int, epoch: int
) -> list[list[ExampleKey]]:
    """Return every example once, in an order of its own each epoch; the last batch may be smaller.

    Args:
        num_examples: positions are below it.
        batch_size: examples of a batch.
        seed: of the order.
        epoch: counted from 0.
    """
    order = np.random.default_rng([seed, epoch]).permutation(num_examples)
    keys = [ExampleKey(epoch, position) for position in order.tolist()]
    return micro_batches(keys, batch_size)


def micro_batches(keys: list[ExampleKey], size: int) -> list[list[ExampleKey]]:
    """Cut a list into lists of `size`; the last may be smaller."""
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def micro_batch_seed(seed: int, epoch: int, step: int, number: int) -> int:
    """Return the seed of a micro-batch's dropout.

    Args:
        seed: of the training.
        epoch: from 0.
        step: within the epoch, from 0.
        number: of the micro-batch within the step, from 0.
    """
    sequence = np.random.SeedSequence([seed, epoch, step, number])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


def _refuse_nan(
    task: Task, seen: Sequence[int], position: Position, loss: float, norm: float
) -> None:
    if math.isfinite(loss) and math.isfinite(norm):
        return
    names = ", ".join(task.describe(each) for each in seen[:8])
    raise ValueError(
        f"{task.name}: epoch {position.epoch + 1}, step {position.step + 1}: found loss {loss} and "
        f"gradient norm {norm}, expected finite numbers; lower learning_rate, or look at {names}"
    )
