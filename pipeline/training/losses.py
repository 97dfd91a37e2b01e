"""The losses of training; `LOSSES` names those of a detector.

N boxes  K = 81 outputs, of which column 0 is unused  B clips  L labels
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class LossSum:
    """A loss before it is divided, so that micro-batches can be added up.

    Attributes:
        total: sum of the terms, a scalar.
        num_terms: how many there are.
    """

    total: Tensor
    num_terms: int

    @property
    def mean(self) -> Tensor:
        """Return the mean of the terms; 0, with a gradient of 0, when there is none."""
        return self.total / max(self.num_terms, 1)


def class_loss(logits_BL: Tensor, labels_B: Tensor) -> LossSum:
    """Return the cross-entropy of clips that carry one label each, one term a clip."""
    return LossSum(F.cross_entropy(logits_BL, labels_B, reduction="sum"), len(labels_B))


def action_loss(logits_NK: Tensor, labels_NK: Tensor, focal_gamma: float | None = None) -> LossSum:
    """Return the loss of labelled boxes, one term for each box and each of the 80 actions.

    Args:
        logits_NK: [N, 81]
        labels_NK: [N, 81] 0 or 1; several actions may be 1. Boxes without any are left out.
        focal_gamma: weigh each term by (1 - p)^gamma, p the probability given to the ground
            truth; the gradient flows through the weight, too. None: plain cross-entropy.

    Source: Lin et al., Focal Loss (2017) with alpha 1; mmaction2's BBoxHeadAVA.
    """
    labelled = labels_NK[:, 1:].sum(dim=1) > 0
    logits, labels = logits_NK[labelled, 1:], labels_NK[labelled, 1:]
    terms = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")
    if focal_gamma is not None:
        terms = terms * (1 - torch.exp(-terms)) ** focal_gamma
    return LossSum(terms.sum(), terms.numel())


def bce_loss(logits_NK: Tensor, labels_NK: Tensor, _focal_gamma: float) -> LossSum:
    """Return the plain binary cross-entropy of `action_loss`."""
    return action_loss(logits_NK, labels_NK)


# Setting `loss` of a variant -> loss of logits [N, 81], labels [N, 81] and setting `focal_gamma`.
LOSSES: dict[str, Callable[[Tensor, Tensor, float], LossSum]] = {
    "bce": bce_loss,
    "focal": action_loss,
}
