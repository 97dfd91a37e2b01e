"""The yardstick: the same SlowOnly as everyone would write it first, of nn.Conv3d in NCDHW float32.

Its weights carry the names of the project's own network, so one's `state_dict` loads into the
other. It is no part of the pipeline and meant to stay as plain as it is.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

EXPANSION = 4


class PlainConvNorm(nn.Module):
    """Conv3d and BatchNorm3d."""

    def __init__(
        self, in_channels: int, out_channels: int, time: int = 1, space: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(
            in_channels,
            out_channels,
            kernel_size=(time, space, space),
            stride=(1, stride, stride),
            padding=(time // 2, space // 2, space // 2),
            bias=False,
        )
        self.bn = nn.BatchNorm3d(out_channels)

    def forward(self, features_BCTHW: Tensor) -> Tensor:
        normed: Tensor = self.bn(self.conv(features_BCTHW))
        return normed


class PlainBottleneck(nn.Module):
    def __init__(self, in_channels: int, width: int, time: int, stride: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = PlainConvNorm(in_channels, width, time=time)
        self.conv2 = PlainConvNorm(width, width, space=3, stride=stride)
        self.conv3 = PlainConvNorm(width, out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = PlainConvNorm(in_channels, out_channels, stride=stride)

    def forward(self, features_BCTHW: Tensor) -> Tensor:
        shortcut = features_BCTHW
        if self.downsample is not None:
            shortcut = self.downsample(features_BCTHW)
        hidden = F.relu(self.conv1(features_BCTHW), inplace=True)
        hidden = F.relu(self.conv2(hidden), inplace=True)
        return F.relu(self.conv3(hidden) + shortcut, inplace=True)


class PlainSlowOnly(nn.Module):
    """SlowOnly of a detector: features at stride 16; R50 has blocks (3, 4, 6, 3) and width 64."""

    def __init__(self, blocks: Sequence[int], width: int) -> None:
        super().__init__()
        self.conv1 = PlainConvNorm(3, width, space=7, stride=2)
        in_channels = width
        for stage, (num_blocks, stride) in enumerate(zip(blocks, (1, 2, 2, 1), strict=True)):
            inner, time, layer = width * 2**stage, 3 if stage >= 2 else 1, nn.Sequential()
            for block in range(num_blocks):
                first = stride if block == 0 else 1
                layer.append(PlainBottleneck(in_channels, inner, time, first))
                in_channels = EXPANSION * inner
            self.add_module(f"layer{stage + 1}", layer)
        self.channels = in_channels

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        """[B, channels, T, H/16, W/16] of [B, 3, T, H, W]."""
        stem = F.relu(self.conv1(clip_BCTHW), inplace=True)
        features = F.max_pool3d(stem, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        for stage in (1, 2, 3, 4):
            features = self.get_submodule(f"layer{stage}")(features)
        return features


class PlainDetector(nn.Module):
    """A plain backbone under a given head."""

    def __init__(self, backbone: PlainSlowOnly, roi_head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.roi_head = roi_head

    def forward(self, clip_BCTHW: Tensor, boxes_N5: Tensor) -> Tensor:
        logits: Tensor = self.roi_head(self.backbone(clip_BCTHW.contiguous()), boxes_N5)
        return logits
