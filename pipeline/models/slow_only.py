"""SlowOnly: a ResNet-50 over the T frames of a clip that looks in time only in its last two stages.

B clips  C channels  T frames  H, W cells; a clip of 8 frames of 256 x 256 goes through R50 as

    clip                                        3 x 8 x 256 x 256
    conv1    1x7x7, stride 2, pool 1x3x3       64 x 8 x 64 x 64
    layer1   3 x [1x1x1, 1x3x3, 1x1x1]        256 x 8 x 64 x 64
    layer2   4 x [1x1x1, 1x3x3, 1x1x1]        512 x 8 x 32 x 32
    layer3   6 x [3x1x1, 1x3x3, 1x1x1]       1024 x 8 x 16 x 16
    layer4   3 x [3x1x1, 1x3x3, 1x1x1]       2048 x 8 x 16 x 16   (stride 1)

This is the plain form. `fast_conv.use_fast_convolutions` swaps its layers for faster ones with the
same weights and the same outputs.

Source: Feichtenhofer et al., SlowFast Networks (2019), slow pathway; names and shapes
of the weights as in mmaction2's `ResNet3dSlowOnly`, so that published checkpoints load unchanged.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import init

from pipeline.models.backbone import Backbone

EXPANSION = 4  # a bottleneck has this many times its width of output channels


class ConvNorm(nn.Module):
    """A convolution in time or in space, without bias, and its batch norm."""

    def __init__(
        self, in_channels: int, out_channels: int, time: int = 1, space: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        assert time == 1 or (space == 1 and stride == 1), "a kernel looks in time or in space"
        # Made empty, for torch's own random weights would only be overwritten.
        conv = nn.Conv3d(
            in_channels,
            out_channels,
            kernel_size=(time, space, space),
            stride=(1, stride, stride),
            padding=(time // 2, space // 2, space // 2),
            bias=False,
            device="meta",
        ).to_empty(device="cpu")
        init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        self.conv: nn.Module = conv
        self.bn: nn.Module = nn.BatchNorm3d(out_channels, eps=1e-5, momentum=0.1)

    def forward(self, features_BCTHW: Tensor) -> Tensor:
        normed: Tensor = self.bn(self.conv(features_BCTHW))
        return normed


class Bottleneck(nn.Module):
    """1x1x1 (3x1x1 where it looks in time), 1x3x3, 1x1x1, added to a shortcut."""

    def __init__(self, in_channels: int, width: int, time: int, stride: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = ConvNorm(in_channels, width, time=time)
        self.conv2 = ConvNorm(width, width, space=3, stride=stride)
        self.conv3 = ConvNorm(width, out_channels)
        self.downsample: ConvNorm | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = ConvNorm(in_channels, out_channels, stride=stride)
        # A block starts as its shortcut, as the published recipe has it.
        init.zeros_(self.conv3.bn.get_parameter("weight"))

    def forward(self, features_BCTHW: Tensor) -> Tensor:
        shortcut = features_BCTHW if self.downsample is None else self.downsample(features_BCTHW)
        hidden = F.relu(self.conv1(features_BCTHW), inplace=True)
        hidden = F.relu(self.conv2(hidden), inplace=True)
        # No gradient needs what the third norm gave, so the sum may take its memory.
        return F.relu(self.conv3(hidden).add_(shortcut), inplace=True)


class SlowOnly(Backbone):
    """The network: features at a 16th of the input's size, as many in time as frames.

    Args:
        blocks: bottlenecks of each of the four stages.
        width: channels of the stem and of the first stage's bottlenecks; doubled at every stage.
        last_stride: spatial stride of the fourth stage. Detectors use 1; a clip classifier uses 2,
            which makes features half as fine. The weights are the same.
    """

    def __init__(self, blocks: Sequence[int], width: int, last_stride: int = 1) -> None:
        super().__init__()
        self.channels = EXPANSION * width * 8
        self.stride = 16 * last_stride
        self.conv1 = ConvNorm(3, width, space=7, stride=2)
        self.maxpool = nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.layer1 = _stage(width, width, blocks[0], time=1, stride=1)
        self.layer2 = _stage(4 * width, 2 * width, blocks[1], time=1, stride=2)
        self.layer3 = _stage(8 * width, 4 * width, blocks[2], time=3, stride=2)
        self.layer4 = _stage(16 * width, 8 * width, blocks[3], time=3, stride=last_stride)

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        """Return features [B, channels, T, H/16, W/16], rounded up, of clips [B, 3, T, H, W]."""
        features = self.maxpool(F.relu(self.conv1(clip_BCTHW), inplace=True))
        features = self.layer2(self.layer1(features))
        features_BCTHW: Tensor = self.layer4(self.layer3(features))
        return features_BCTHW


def _stage(in_channels: int, width: int, num_blocks: int, time: int, stride: int) -> nn.Sequential:
    """Return a stage of bottlenecks; the first one changes the width and takes the stride."""
    first = Bottleneck(in_channels, width, time, stride)
    others = (Bottleneck(EXPANSION * width, width, time, 1) for _ in range(num_blocks - 1))
    return nn.Sequential(first, *others)


def slowonly_r50(last_stride: int = 1) -> SlowOnly:
    """Return the published size: ResNet-50, 31,634,496 weights, 2048 channels."""
    return SlowOnly((3, 4, 6, 3), width=64, last_stride=last_stride)


def slowonly_tiny(last_stride: int = 1) -> SlowOnly:
    """Return the demo's size: the same network, narrow and shallow, for frames of about 96 px."""
    return SlowOnly((1, 1, 1, 1), width=12, last_stride=last_stride)
