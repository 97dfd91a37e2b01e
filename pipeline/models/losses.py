"""The losses of training; `LOSSES` names those of a detector.

A new loss is its class and a line in `LOSSES`.

N boxes  M labelled boxes  K outputs, of which column 0 is unused  B clips  L labels
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pipeline.core.section import Extension

if TYPE_CHECKING:  # settings are read without torch
    from torch import Tensor


@dataclass(frozen=True)
class LossSum:
    """A loss before it is divided, so that micro-batches can be added up.

    Attributes:
        total: sum of the terms, a scalar.
        num_terms: how many there are.
    """

    total: "Tensor"
    num_terms: int

    @property
    def mean(self) -> "Tensor":
        """Return the mean of the terms; 0, with a gradient of 0, when there is none."""
        return self.total / max(self.num_terms, 1)


class Loss(Extension):
    """A loss of labelled boxes: one term for each box and each class."""

    @abstractmethod
    def terms(self, logits_MK: "Tensor", labels_MK: "Tensor") -> "Tensor":
        """Return the terms [M, K - 1].

        Args:
            logits_MK: [M, K - 1] of boxes that carry a label, without the unused column.
            labels_MK: [M, K - 1] 0 or 1, as floats; several classes of a box may be 1.
        """
        ...

    def __call__(self, logits_NK: "Tensor", labels_NK: "Tensor") -> LossSum:
        """Return the loss of boxes; those without any label are left out.

        Args:
            logits_NK: [N, K]
            labels_NK: [N, K] 0 or 1.
        """
        labelled = labels_NK[:, 1:].sum(dim=1) > 0
        logits, labels = logits_NK[labelled, 1:], labels_NK[labelled, 1:]
        terms = self.terms(logits, labels.to(logits.dtype))
        return LossSum(terms.sum(), terms.numel())


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy, as in mmaction2's BBoxHeadAVA."""

    label: ClassVar[str] = "BCE"

    def terms(self, logits_MK: "Tensor", labels_MK: "Tensor") -> "Tensor":
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(logits_MK, labels_MK, reduction="none")


class FocalLoss(BinaryCrossEntropy):
    """Binary cross-entropy in which terms that are nearly right weigh less.

    Each term is weighed by (1 - p)^gamma, p the probability given to the ground truth; the gradient
    flows through the weight, too.

    Source: Lin et al., Focal Loss (2017) with alpha 1.
    """

    label: ClassVar[str] = "focal"
    gamma: Annotated[
        float, Field(ge=0, le=1000, description="Exponent; 0 is plain cross-entropy")
    ] = 1.0

    def terms(self, logits_MK: "Tensor", labels_MK: "Tensor") -> "Tensor":
        terms = super().terms(logits_MK, labels_MK)
        return terms * (1 - (-terms).exp()) ** self.gamma

    def __str__(self) -> str:
        return f"{self.label}, γ {self.gamma:g}"


LOSSES: Mapping[str, type[Loss]] = {
    "bce": BinaryCrossEntropy,
    "focal": FocalLoss,
}


def class_loss(logits_BL: "Tensor", labels_B: "Tensor") -> LossSum:
    """Return the cross-entropy of clips that carry one label each, one term a clip."""
    from torch.nn.functional import cross_entropy

    return LossSum(cross_entropy(logits_BL, labels_B, reduction="sum"), len(labels_B))
