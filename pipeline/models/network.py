"""What a backbone is in params.yaml: a name, settings, and how it is built."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pipeline.core.section import Extension

if TYPE_CHECKING:  # settings are read without torch
    from pipeline.models.backbone import Backbone


class Network(Extension):
    """A backbone and its settings.

    Attributes:
        gmacs_per_frame: products of one frame of 256 x 256 in 1e9; the plan leaves out the time of
            networks that do not say it.
    """

    gmacs_per_frame: ClassVar[float | None] = None

    @abstractmethod
    def build(self, last_stride: int = 1) -> "Backbone":
        """Return the network with fresh weights, in its plain form.

        Args:
            last_stride: spatial stride of the last stage: 1 for detectors, 2 for clip classifiers.
                A network that knows only one leaves it aside.
        """
        ...
