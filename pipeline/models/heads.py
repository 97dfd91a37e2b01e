"""The classifiers of a pooled box by their names in params.yaml.

A new head is its class and a line in `HEADS`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pipeline.core.section import Extension

if TYPE_CHECKING:  # settings are read without torch
    from torch import nn


class Head(Extension):
    """What turns a box's features [N, C] into logits [N, K]."""

    @abstractmethod
    def build(self, channels: int, num_outputs: int) -> "nn.Module":
        """Return the layers; weights of linear ones are drawn anew by `RoIHead`.

        Args:
            channels: C.
            num_outputs: K, of which column 0 is never used.
        """
        ...


class LinearHead(Head):
    """One linear layer."""

    label: ClassVar[str] = "linear"

    def build(self, channels: int, num_outputs: int) -> "nn.Module":
        from torch import nn

        return nn.Linear(channels, num_outputs)


class MLPHead(Head):
    """Two linear layers with a ReLU between them, the first as wide as the features."""

    label: ClassVar[str] = "MLP"

    def build(self, channels: int, num_outputs: int) -> "nn.Module":
        from torch import nn

        hidden, last = nn.Linear(channels, channels), nn.Linear(channels, num_outputs)
        return nn.Sequential(hidden, nn.ReLU(), last)


HEADS: Mapping[str, type[Head]] = {
    "linear": LinearHead,
    "mlp": MLPHead,
}
