"""A network for inference: batch norm folded into convolutions, weights laid out once.

Batch norm at inference is a scale and a shift, which the convolution before it takes over.
"""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from pipeline.models import winograd_in_space
from pipeline.models.folded_conv3d import FoldedConv3d
from pipeline.models.slow_only import ConvNorm
from pipeline.models.winograd_in_space import WinogradInSpace

M = TypeVar("M", bound=nn.Module)


def for_inference(model: M, bfloat16: bool = False) -> M:
    """A copy for inference, equal to the model in evaluation mode but for the rounding.

    Args:
        bfloat16: whether it will run in autocast of that type, and only there, or never:
            convolutions hold their weights in it, or in the model's own.
    """
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
            layer.conv = _fixed(conv, torch.bfloat16 if bfloat16 else conv.weight.dtype)
    return copied


def _fixed(conv: FoldedConv3d, precision: torch.dtype) -> nn.Module:
    """What convolves alike in the least time."""
    if winograd_in_space.pays(conv, precision):
        return WinogradInSpace(conv)
    conv.fix(precision)
    return conv
