"""What a network has to tell about itself to carry a head."""

from torch import nn


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
