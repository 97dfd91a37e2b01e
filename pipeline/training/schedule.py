"""Learning rate of every iteration, and the optimizer."""

import math
from collections.abc import Iterable

import torch
from torch import nn

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
