"""What a network has to tell about itself to carry a head."""

from torch import nn


class Backbone(nn.Module):
    """A network from clips [B, 3, T, H, W] to features [B, channels, T', H/stride, W/stride].

    Attributes:
        channels: of the features.
        stride: input pixels per feature cell, along height and width.
    """

    channels: int
    stride: int
