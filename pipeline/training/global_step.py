"""The gradient of one step, added up over its micro-batches and over all processes."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.training.losses import LossSum
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
