"""What training minimises: binary cross-entropy of every action of every labelled person.

N boxes  K = 81 outputs, of which column 0 is unused
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def action_loss(logits_NK: Tensor, labels_NK: Tensor, focal_gamma: float | None = None) -> Tensor:
    """Mean loss over labelled boxes and the 80 actions.

    Args:
        logits_NK: [N, 81]
        labels_NK: [N, 81] 0 or 1; several actions may be 1. Boxes without any are left out.
        focal_gamma: weigh each term by (1 - p)^gamma, p the probability given to the truth; the
            gradient flows through the weight too. None: plain cross-entropy.

    Returns: a scalar; 0, with a gradient of 0, when no box is labelled.

    Source: Lin et al., Focal Loss (2017) with alpha 1; mmaction2's BBoxHeadAVA.
    """
    labelled = labels_NK[:, 1:].sum(dim=1) > 0
    logits, labels = logits_NK[labelled, 1:], labels_NK[labelled, 1:]
    terms = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")
    if focal_gamma is not None:
        terms = terms * (1 - torch.exp(-terms)) ** focal_gamma
    return terms.sum() / max(terms.numel(), 1)
