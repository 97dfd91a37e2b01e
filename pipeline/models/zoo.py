"""The backbones by their names in params.yaml.

A new backbone is its class, which imports the network when it is built, and a line in `BACKBONES`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pipeline.models.network import Network

if TYPE_CHECKING:  # settings are read without torch
    from pipeline.models.backbone import Backbone


class SlowOnlyR50(Network):
    """The published size: 31,634,496 weights, 2048 channels."""

    label: ClassVar[str] = "SlowOnly R50"
    gmacs_per_frame: ClassVar[float | None] = 41.55 / 4

    def build(self, last_stride: int = 1) -> "Backbone":
        from pipeline.models.slow_only import slowonly_r50

        return slowonly_r50(last_stride)


class SlowOnlyTiny(Network):
    """The demo's size: the same network, narrow and shallow, for frames of about 96 px."""

    label: ClassVar[str] = "SlowOnly tiny"

    def build(self, last_stride: int = 1) -> "Backbone":
        from pipeline.models.slow_only import slowonly_tiny

        return slowonly_tiny(last_stride)


BACKBONES: Mapping[str, type[Network]] = {
    "slowonly_r50": SlowOnlyR50,
    "slowonly_tiny": SlowOnlyTiny,
}
