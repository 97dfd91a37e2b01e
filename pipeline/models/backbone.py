"""What a network has to tell about itself to carry a head."""

from torch import Tensor, nn


class Backbone(nn.Module):
    """A network from clips [B, 3, T, H, W] to features [B, channels, T', H/stride, W/stride].

    Sides that are no multiple of the stride are rounded up.

    Attributes:
        channels: of the features.
        stride: input pixels per feature cell, along height and width.
        time_stride: input frames per feature step, so that T' is T / time_stride, rounded up.
    """

    channels: int
    stride: int
    time_stride: int = 1


class Wrapped(Backbone):
    """Layers of another library as a backbone.

    Args:
        layers: from clips [B, 3, T, H, W] to features.
        channels, stride, time_stride: as `Backbone` has them.
    """

    def __init__(self, layers: nn.Module, channels: int, stride: int, time_stride: int = 1) -> None:
        super().__init__()
        self.layers, self.channels = layers, channels
        self.stride, self.time_stride = stride, time_stride

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        """Return features [B, channels, T', H/stride, W/stride]."""
        features_BCTHW: Tensor = self.layers(clip_BCTHW)
        return features_BCTHW
