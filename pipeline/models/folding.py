"""A network for inference: batch norm folded into convolutions, wide ones by Winograd's method.

Batch norm at inference is a scale and a shift, which the convolution before it takes over.
"""

from copy import deepcopy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from pipeline.models import winograd_in_space, winograd_in_time
from pipeline.models.slow_only import ConvNorm, FoldedConv3d
from pipeline.models.winograd_in_space import WinogradInSpace
from pipeline.models.winograd_in_time import WinogradInTime

M = TypeVar("M", bound=nn.Module)


def without_batch_norm(model: M) -> M:
    """A copy for inference, equal to the model in evaluation mode but for the rounding."""
    copied = deepcopy(model).eval()
    for layer in copied.modules():
        if isinstance(layer, ConvNorm):
            norm, conv = layer.bn, layer.conv
            assert isinstance(conv, FoldedConv3d)
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight,
                conv.bias,
                norm.running_mean,
                norm.running_var,
                norm.eps,
                norm.weight,
                norm.bias,
            )
            layer.bn = nn.Identity()
            if not conv.weight.is_cuda:
                layer.conv = _faster(conv)
    return copied


def _faster(conv: FoldedConv3d) -> nn.Module:
    """What convolves alike on a CPU in the least time."""
    if winograd_in_time.pays(conv):
        return WinogradInTime(conv)
    return WinogradInSpace(conv) if winograd_in_space.pays(conv) else conv
