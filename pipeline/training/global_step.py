"""One step of the optimizer on a global batch, however many passes and processes share its work.

A global batch is cut into passes of a few clips. A pass goes through the network at once: it is
what batch norm and dropout see, as one card's share in the published run. Processes take whole
passes in turn, so that the gradient is a function of the batch, the passes and the seed, and the
number of processes changes it only by the rounding of sums:

    gradient      sum over all passes, divided by the number of terms in the loss of all of them
    batch norm    running figures move once a step, towards the mean of the passes' figures
    dropout       drawn from (seed, epoch, step, pass)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.training.losses import LossSum
from pipeline.training.processes import Processes


@dataclass(frozen=True)
class Summed:
    """What the processes agree on after a step.

    Attributes:
        loss: mean over the terms of all passes; not finite when any pass broke.
        stop: whether any process was told to stop.
    """

    loss: float
    stop: bool


def share_of(num_passes: int, processes: Processes) -> range:
    """The passes of a step that this process takes."""
    return range(processes.rank, num_passes, processes.size)


def accumulate(
    model: nn.Module,
    losses: Iterable[Callable[[], LossSum]],
    processes: Processes,
    stop: bool = False,
) -> Summed:
    """Leave the gradient of the whole batch in the parameters of every process.

    Args:
        losses: computes the loss of each pass that this process takes.
        stop: whether this process was told to stop.
    """
    buffers = list(model.buffers())
    before = [each.clone() for each in buffers]
    after = [torch.zeros_like(each, dtype=_summable(each)) for each in buffers]
    num_passes, terms, total = 0, 0, 0.0
    for loss in losses:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
        found = loss()
        found.total.backward()  # type: ignore[no-untyped-call]
        num_passes, terms = num_passes + 1, terms + found.num_terms
        total += found.total.item()
        for summed, buffer in zip(after, buffers, strict=True):
            summed += buffer
    figures = torch.tensor([num_passes, terms, total, float(stop)], dtype=torch.float64)
    _sum_over(processes, model, after, figures)
    num_passes, terms = int(figures[0]), int(figures[1])
    for buffer, summed in zip(buffers, after, strict=True):
        buffer.copy_(summed / num_passes)
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= max(terms, 1)
    return Summed(float(figures[2]) / max(terms, 1), bool(figures[3] > 0))


def _summable(buffer: Tensor) -> torch.dtype:
    return buffer.dtype if buffer.is_floating_point() else torch.float64  # counts stay exact


def _sum_over(
    processes: Processes, model: nn.Module, buffers: list[Tensor], figures: Tensor
) -> None:
    """Add up gradients, buffers and figures over the processes, one message per kind."""
    if processes.size == 1:
        return
    parameters = [each for each in model.parameters() if each.requires_grad]
    for parameter in parameters:  # a process without a pass in this step adds nothing
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    _sum_flat(processes, [each.grad for each in parameters if each.grad is not None])
    _sum_flat(processes, buffers)
    device = parameters[0].device
    moved = figures.to(device)
    processes.sum(moved)
    figures.copy_(moved)


def _sum_flat(processes: Processes, tensors: list[Tensor]) -> None:
    if not tensors:
        return
    flat = torch.cat([each.flatten() for each in tensors])
    processes.sum(flat)
    parts = torch.split(flat, [each.numel() for each in tensors])
    for each, part in zip(tensors, parts, strict=True):
        each.copy_(part.view_as(each))
