"""SlowOnly: a ResNet over T stills of a clip that looks in time only in its last two stages.

B clips  C channels  T stills  H, W cells  F = B*T stills of the whole batch

Source: Feichtenhofer et al., SlowFast Networks (2019), slow pathway; layout, names and shapes of
the weights as in mmaction2's `ResNet3dSlowOnly`, so that published checkpoints load unchanged.

Every kernel is either 1 x k x k (one still) or 3 x 1 x 1 (one place), so no 3D convolution is
needed: see `FoldedConv3d`.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import init

from pipeline.models.folded_conv3d import FoldedConv3d

EXPANSION = 4  # a bottleneck's output is this many times its width


class ConvNorm(nn.Module):
    """Convolution and batch norm; over folded stills BatchNorm2d sees what BatchNorm3d would."""

    def __init__(
        self, in_channels: int, out_channels: int, time: int = 1, space: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv: nn.Module = FoldedConv3d(in_channels, out_channels, time, space, stride)
        self.bn: nn.Module = nn.BatchNorm2d(out_channels, eps=1e-5, momentum=0.1)

    def forward(self, stills_FCHW: Tensor, num_frames: int) -> Tensor:
        normed: Tensor = self.bn(self.conv(stills_FCHW, num_frames))
        return normed


class Bottleneck(nn.Module):
    """1x1 (3x1x1 where it looks in time), 3x3, 1x1, added to a shortcut."""

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

    def forward(self, stills_FCHW: Tensor, num_frames: int) -> Tensor:
        shortcut = stills_FCHW
        if self.downsample is not None:
            shortcut = self.downsample(stills_FCHW, num_frames)
        hidden = F.relu(self.conv1(stills_FCHW, num_frames), inplace=True)
        hidden = F.relu(self.conv2(hidden, num_frames), inplace=True)
        added = self.conv3(hidden, num_frames).add_(shortcut)  # no gradient needs what it was
        return F.relu(added, inplace=True)


class SlowOnly(nn.Module):
    """The backbone; `channels` wide features at a 16th of the input's size.

    Args:
        blocks: bottlenecks of each of the four stages.
        width: channels of the stem and of the first stage's bottlenecks; doubled at every stage.
        last_stride: spatial stride of the fourth stage. Detectors use 1, which keeps features at
            stride 16; a clip classifier uses 2. The weights are the same.
    """

    def __init__(self, blocks: Sequence[int], width: int, last_stride: int = 1) -> None:
        super().__init__()
        self.channels = EXPANSION * width * 8
        self.conv1 = ConvNorm(3, width, space=7, stride=2)
        in_channels = width
        self.stages: list[str] = []
        for stage, (num_blocks, stride) in enumerate(
            zip(blocks, (1, 2, 2, last_stride), strict=True)
        ):
            stage_width = width * 2**stage
            time = 3 if stage >= 2 else 1
            layer = nn.ModuleList()
            for block in range(num_blocks):
                layer.append(
                    Bottleneck(in_channels, stage_width, time, stride if block == 0 else 1)
                )
                in_channels = EXPANSION * stage_width
            self.stages.append(f"layer{stage + 1}")
            self.add_module(self.stages[-1], layer)

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        """Features of normalised clips.

        Args:
            clip_BCTHW: [B, 3, T, H, W]; free of copies when its memory runs B, T, H, W, C.

        Returns: [B, channels, T, H/16, W/16], rounded up (H/32 with last_stride 2); a view of
        memory that runs B, T, H, W, C.
        """
        batch, _, num_frames, height, width = clip_BCTHW.shape
        stills_FHWC = clip_BCTHW.permute(0, 2, 3, 4, 1).reshape(-1, height, width, 3)
        stills = self.conv1(stills_FHWC.permute(0, 3, 1, 2), num_frames)
        stills = F.max_pool2d(F.relu(stills, inplace=True), 3, stride=2, padding=1)
        for stage in self.stages:
            for block in self.get_submodule(stage).children():
                stills = block(stills, num_frames)
        features_BTCHW: Tensor = stills.unflatten(0, (batch, num_frames))
        features_BCTHW: Tensor = features_BTCHW.transpose(1, 2)
        return features_BCTHW


def slowonly_r50(last_stride: int = 1) -> SlowOnly:
    """The published depth: ResNet-50, 31,634,496 weights, 2048 channels."""
    return SlowOnly((3, 4, 6, 3), width=64, last_stride=last_stride)


def slowonly_tiny(last_stride: int = 1) -> SlowOnly:
    """The demo's depth: the same network, narrow and shallow, for frames of about 96 px."""
    return SlowOnly((1, 1, 1, 1), width=12, last_stride=last_stride)


BACKBONES = {"slowonly_r50": slowonly_r50, "slowonly_tiny": slowonly_tiny}


def backbone(name: str, last_stride: int = 1) -> SlowOnly:
    """A backbone by its name in params.yaml; ValueError names the known ones."""
    if name not in BACKBONES:
        raise ValueError(f"backbone: found {name!r}, expected one of {list(BACKBONES)}")
    return BACKBONES[name](last_stride)
