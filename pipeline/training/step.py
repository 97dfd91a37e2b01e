"""One optimizer step: its gradient over micro-batches and processes, its rate, its update."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.models.losses import LossSum
from pipeline.training.processes import Processes


class Finished(NamedTuple):
    """What the processes agree on after a step."""

    loss: float  # mean over the terms of all micro-batches; not finite if one of them broke
    stop: bool  # whether any process was asked to stop


class GlobalStep:
    """Sums of one step; `add` each micro-batch of this process, then `finish`.

    Every micro-batch starts from the buffers (running figures of batch norms) from before the step.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model, self._buffers = model, list(model.buffers())
        self._before = [each.clone() for each in self._buffers]
        self._after = [torch.zeros_like(each, dtype=_summable(each)) for each in self._buffers]
        self._num_micro_batches, self._num_terms, self._total = 0, 0, 0.0

    def add(self, loss: LossSum) -> None:
        """Add a micro-batch to the gradients and sums."""
        loss.total.backward()  # type: ignore[no-untyped-call]
        self._num_micro_batches += 1
        self._num_terms += loss.num_terms
        self._total += loss.total.item()
        for summed, buffer, before in zip(self._after, self._buffers, self._before, strict=True):
            summed += buffer
            buffer.copy_(before)

    def finish(self, processes: Processes, stop: bool = False) -> Finished:
        """Leave the gradient of the global batch in the parameters of every process.

        Args:
            processes: that share the step.
            stop: whether this process was asked to stop.
        """
        figures = torch.tensor(
            [self._num_micro_batches, self._num_terms, self._total, float(stop)],
            dtype=torch.float64,
        )
        if processes.size > 1:
            self._sum_over(processes, figures)
        num_micro_batches, num_terms = int(figures[0]), int(figures[1])
        for buffer, summed in zip(self._buffers, self._after, strict=True):
            buffer.copy_(summed / num_micro_batches)
        for parameter in self._model.parameters():
            if parameter.grad is not None:
                parameter.grad /= max(num_terms, 1)
        return Finished(float(figures[2]) / max(num_terms, 1), bool(figures[3] > 0))

    def _sum_over(self, processes: Processes, figures: Tensor) -> None:
        """Add up gradients, buffers and figures over the processes, one message per kind."""
        parameters = [each for each in self._model.parameters() if each.requires_grad]
        for parameter in parameters:  # a process without a micro-batch in this step adds nothing
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        _sum_flat(processes, [each.grad for each in parameters if each.grad is not None])
        _sum_flat(processes, self._after)
        on_device = figures.to(parameters[0].device)
        processes.sum(on_device)
        figures.copy_(on_device)


def _summable(buffer: Tensor) -> torch.dtype:
    return buffer.dtype if buffer.is_floating_point() else torch.float64  # counts stay exact


def _sum_flat(processes: Processes, tensors: list[Tensor]) -> None:
    if not tensors:
        return
    flat = torch.cat([each.flatten() for each in tensors])
    processes.sum(flat)
    pieces = torch.split(flat, [each.numel() for each in tensors])
    for each, piece in zip(tensors, pieces, strict=True):
        each.copy_(piece.view_as(each))


WARMUP_START = 0.1  # share of the full rate that the first iteration gets


def learning_rate(
    iteration: int, iterations_per_epoch: int, epochs: int, warmup_epochs: int, full_rate: float
) -> float:
    """Return the rate of a linear warm-up from a tenth, then half a cosine to zero.

    Args:
        iteration: 0 is the first.
        iterations_per_epoch: steps of an epoch.
        epochs: length of the run.
        warmup_epochs: length of its warm-up.
        full_rate: reached at the last warm-up iteration and at the first one after it.

    Source: measured from mmengine's LinearLR and CosineAnnealingLR, both by iteration.
    """
    warmup = warmup_epochs * iterations_per_epoch
    if iteration < warmup:
        done = iteration / (warmup - 1) if warmup > 1 else 1.0
        return full_rate * (WARMUP_START + (1 - WARMUP_START) * done)
    length = epochs * iterations_per_epoch - warmup
    return full_rate / 2 * (1 + math.cos(math.pi * (iteration - warmup) / length))


def make_optimizer(
    parameters: Iterable[nn.Parameter], kind: str, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Return the published SGD, or AdamW for trainings too short for it; `update` sets the rate.

    Args:
        parameters: to train.
        kind: `sgd` or `adamw`.
        momentum: of the gradient's mean; AdamW keeps its usual 0.999 for the squares.
        weight_decay: acts on every parameter, batch norms and biases too.
    """
    trained = list(parameters)
    # Fused: all of a weight's arithmetic while it is read once.
    if kind == "adamw":
        return torch.optim.AdamW(
            trained, lr=0.0, betas=(momentum, 0.999), weight_decay=weight_decay, fused=True
        )
    return torch.optim.SGD(
        trained, lr=0.0, momentum=momentum, weight_decay=weight_decay, fused=True
    )


def update(
    optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], rate: float, clip_norm: float
) -> float:
    """Clip the gradients' total norm, take one step at `rate`, drop the gradients.

    Args:
        optimizer: of the parameters.
        parameters: whose gradients count.
        rate: learning rate of the step.
        clip_norm: highest total norm of the gradients.

    Returns: the norm before clipping; not finite if the batch broke the model.
    """
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if norm.is_cuda or not norm <= clip_norm:  # reading it would hold up a GPU
        nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(norm)
