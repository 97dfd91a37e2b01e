"""What training minimises: binary cross-entropy of every action of every labelled person.

N boxes  K = 81 outputs, of which column 0 is unused  B clips  L labels
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class LossSum:
    """A loss before it is divided, so that the parts of a batch can be added.

    Attributes:
        total: sum of the terms, a scalar.
        num_terms: how many there are.
    """

    total: Tensor
    num_terms: int

    @property
    def mean(self) -> Tensor:
        """Mean of the terms; 0, with a gradient of 0, when there is none."""
        return self.total / max(self.num_terms, 1)


def class_loss(logits_BL: Tensor, labels_B: Tensor) -> LossSum:
    """Cross-entropy of clips that carry one label each, one term a clip."""
    return LossSum(F.cross_entropy(logits_BL, labels_B, reduction="sum"), len(labels_B))


def action_loss(logits_NK: Tensor, labels_NK: Tensor, focal_gamma: float | None = None) -> LossSum:
    """Loss of labelled boxes, one term for each box and each of the 80 actions.

    Args:
        logits_NK: [N, 81]
        labels_NK: [N, 81] 0 or 1; several actions may be 1. Boxes without any are left out.
        focal_gamma: weigh each term by (1 - p)^gamma, p the probability given to the ground truth;
            the gradient flows through the weight too. None: plain cross-entropy.

    Source: Lin et al., Focal Loss (2017) with alpha 1; mmaction2's BBoxHeadAVA.
    """
    labelled = labels_NK[:, 1:].sum(dim=1) > 0
    logits, labels = logits_NK[labelled, 1:], labels_NK[labelled, 1:]
    terms = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")
    if focal_gamma is not None:
        terms = terms * (1 - torch.exp(-terms)) ** focal_gamma
    return LossSum(terms.sum(), terms.numel())
