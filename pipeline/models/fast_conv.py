"""The fast form of a network of convolutions that look either in time or in space.

B clips  C, K channels before and after  T frames  H, W cells  F = B*T frames of the batch

Kernels of 1 x k x k or 3 x 1 x 1 need no 3D convolution: frames are folded into the batch of a 2D
one, a cell's history is a column of a T x HW image or, on a CPU, a few matrix products. In
channels-last memory every folding is a view, and the library's own batch norm is fast. Weights keep
their names and shapes, and `tests/models/test_fast_conv.py` holds both forms equal.
"""

from copy import deepcopy
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.fusion import fuse_conv_bn_weights

from pipeline.models.slow_only import ConvNorm

M = TypeVar("M", bound=nn.Module)


def use_fast_convolutions(model: M) -> M:
    """Swap the convolutions and pools of `model` for fast ones, in place; return it."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Conv3d and _is_in_time_or_space(layer):
                setattr(parent, name, FastConv3d(layer))
            elif type(layer) is nn.MaxPool3d and _is_frame_by_frame(layer):
                setattr(parent, name, FastMaxPool3d(layer))
    return model


def _is_in_time_or_space(conv: nn.Conv3d) -> bool:
    """Return whether `FastConv3d` computes the same; other networks have other convolutions."""
    if (conv.dilation, conv.groups, conv.padding_mode) != ((1, 1, 1), 1, "zeros"):
        return False
    side, stride = conv.kernel_size[2], conv.stride[2]
    in_time = ((3, 1, 1), (1, 1, 1), (1, 0, 0))
    in_space = ((1, side, side), (1, stride, stride), (0, side // 2, side // 2))
    return (conv.kernel_size, conv.stride, conv.padding) in (in_time, in_space)


def _is_frame_by_frame(pool: nn.MaxPool3d) -> bool:
    """Return whether `FastMaxPool3d` computes the same."""
    sizes = (pool.kernel_size, pool.stride, pool.padding)
    lengths, heights, widths = zip(
        *(3 * (x,) if isinstance(x, int) else x for x in sizes), strict=True
    )
    plain = pool.dilation == 1 and not pool.ceil_mode and not pool.return_indices
    return plain and lengths == (1, 1, 0) and heights == widths


def for_inference(model: M, bfloat16: bool = False) -> M:
    """Return a fast copy for inference, equal to `model` in evaluation mode but for the rounding.

    Batch norm at inference is a scale and a shift: the convolution before it takes over both.

    Args:
        bfloat16: whether the copy will run in autocast of that type, and only there, or never:
            convolutions then hold their weights in it.
    """
    copied = use_fast_convolutions(deepcopy(model).eval())
    for layer in copied.modules():
        if isinstance(layer, ConvNorm):
            conv, norm = layer.conv, layer.bn
            assert isinstance(conv, FastConv3d)
            assert isinstance(norm, nn.BatchNorm3d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
            conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *statistics)
            conv.keep_weights_as(torch.bfloat16 if bfloat16 else conv.weight.dtype)
            layer.bn = nn.Identity()
    return copied


class FastConv3d(nn.Module):
    """An nn.Conv3d of kernel 1 x k x k or 3 x 1 x 1, of which it takes over the weight.

    Dimensions of one are squeezed, not indexed, for the gradient of an index fills and copies a
    tensor of the weight's size.
    """

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        self.stride = conv.stride[2]
        self.weight = conv.weight  # [K, C, kt, kh, kw]
        self.bias = conv.bias
        self.taps: Tensor | None  # what a CPU multiplies by, laid out once for inference
        self.register_buffer("taps", None, persistent=False)

    def forward(self, features_BCTHW: Tensor) -> Tensor:
        time, space = self.weight.shape[2], self.weight.shape[4]
        if space > 1 or self.stride > 1:
            return self.in_space(features_BCTHW)
        # CPUs: oneDNN's gradient of a 3 x 1 kernel takes five times as long as a matrix product.
        if not features_BCTHW.is_cuda:
            return self.as_products(features_BCTHW)
        return self.in_time(features_BCTHW) if time > 1 else self.in_space(features_BCTHW)

    def in_space(self, features_BCTHW: Tensor) -> Tensor:
        """Convolve each frame."""
        kernel, padding = self.weight.squeeze(2), self.weight.shape[4] // 2
        frames = fold(features_BCTHW)
        mixed = F.conv2d(frames, kernel, self.bias, stride=self.stride, padding=padding)
        return unfold(mixed, len(features_BCTHW))

    def in_time(self, features_BCTHW: Tensor) -> Tensor:
        """Convolve each cell's history, a column of a T x HW image."""
        kernel = self.weight.squeeze(4)  # [K, C, kt, 1]
        mixed = F.conv2d(features_BCTHW.flatten(3), kernel, self.bias, padding=(1, 0))
        return mixed.view(*mixed.shape[:3], *features_BCTHW.shape[3:])

    def as_products(self, features_BCTHW: Tensor) -> Tensor:
        """Multiply every cell by the kernel, or by its three taps, added along time."""
        cells_BTHWC = features_BCTHW.permute(0, 2, 3, 4, 1)
        if self.weight.shape[2] == 1:
            mixed_BTHWK = F.linear(cells_BTHWC, self.weight.flatten(1), self.bias)
        else:
            autocast = torch.is_autocast_enabled("cpu")
            precision = torch.get_autocast_dtype("cpu") if autocast else cells_BTHWC.dtype
            taps = self._taps_as(precision) if self.taps is None else self.taps
            cells_BTHWC = cells_BTHWC.to(taps.dtype).contiguous()
            mixed_BTHWK = _ProductsInTime.apply(cells_BTHWC, taps)  # type: ignore[no-untyped-call]
            if self.bias is not None:
                mixed_BTHWK += self.bias
        return mixed_BTHWK.permute(0, 4, 1, 2, 3)

    def keep_weights_as(self, precision: torch.dtype) -> None:
        """Lay the weights out for inference: they are not meant to change any more."""
        if self.weight.shape[2] > 1 and not self.weight.is_cuda:
            self.taps = self._taps_as(precision).detach()
        self.weight = nn.Parameter(self.weight.detach().to(precision), requires_grad=False)

    def _taps_as(self, precision: torch.dtype) -> Tensor:  # [3, K, C]
        return self.weight.flatten(2).permute(2, 0, 1).to(precision).contiguous()


class FastMaxPool3d(nn.Module):
    """A MaxPool3d of kernel 1 x k x k, frame by frame."""

    def __init__(self, pool: nn.MaxPool3d) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = (
            size if isinstance(size, int) else size[2]
            for size in (pool.kernel_size, pool.stride, pool.padding)
        )

    def forward(self, features_BCTHW: Tensor) -> Tensor:
        return unfold(
            F.max_pool2d(fold(features_BCTHW), self.kernel, self.stride, self.padding),
            len(features_BCTHW),
        )


def fold(features_BCTHW: Tensor) -> Tensor:
    """Return the frames [F, C, H, W] in channels-last memory; a view where the input has it too."""
    return features_BCTHW.permute(0, 2, 3, 4, 1).flatten(0, 1).permute(0, 3, 1, 2)


def unfold(frames_FCHW: Tensor, batch: int) -> Tensor:
    """Return the clips [B, C, T, H, W] of folded frames, as a view."""
    return frames_FCHW.view(batch, -1, *frames_FCHW.shape[1:]).transpose(1, 2)


class _ProductsInTime(torch.autograd.Function):
    """A kernel of 3 x 1 x 1 as one matrix product with all taps, whose results are then added.

    The gradient is two products of the same size, where the library's would copy and fill the three
    results one after the other.
    """

    @staticmethod
    def forward(ctx: Any, cells_BTHWC: Tensor, taps_SKC: Tensor) -> Tensor:
        taps_MC = taps_SKC.flatten(0, 1)
        products = (cells_BTHWC.flatten(0, 3) @ taps_MC.t()).view(*cells_BTHWC.shape[:4], 3, -1)
        before, here, after = products.unbind(4)
        mixed_BTHWK = here.contiguous()
        mixed_BTHWK[:, 1:] += before[:, :-1]
        mixed_BTHWK[:, :-1] += after[:, 1:]
        ctx.save_for_backward(cells_BTHWC, taps_MC)
        return mixed_BTHWK

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BTHWK: Tensor) -> tuple[Tensor, Tensor]:
        cells_BTHWC, taps_MC = ctx.saved_tensors
        out = len(taps_MC) // 3
        of_products = grad_BTHWK.new_empty(*grad_BTHWK.shape[:4], 3, out)
        before, here, after = of_products.unbind(4)
        before[:, :-1], before[:, -1] = grad_BTHWK[:, 1:], 0
        here.copy_(grad_BTHWK)
        after[:, 1:], after[:, 0] = grad_BTHWK[:, :-1], 0
        of_products_NM = of_products.view(-1, 3 * out)
        of_cells = (of_products_NM @ taps_MC).view_as(cells_BTHWC)
        of_taps = of_products_NM.t() @ cells_BTHWC.flatten(0, 3)
        return of_cells, of_taps.view(3, out, -1)
