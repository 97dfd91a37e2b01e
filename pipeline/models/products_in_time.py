"""Convolution in time as one matrix product with all three taps, whose results are then added.

B clips  T stills  L cells of a still  C, K channels before and after  S = 3 taps

Its own gradient: two products of the same size, where the library's would copy and fill the three
results one after the other.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def convolve(clips_BTX: Tensor, taps_SKC: Tensor) -> Tensor:
    """Convolve along T; what is before and after a clip is zero.

    Args:
        clips_BTX: [B, T, L*C] of the taps' type.

    Returns: [B, T, L*K]
    """
    mixed_BTLK: Tensor = _ProductsInTime.apply(clips_BTX, taps_SKC)  # type: ignore[no-untyped-call]
    return mixed_BTLK.flatten(2)


class _ProductsInTime(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, clips_BTX: Tensor, taps_SKC: Tensor) -> Tensor:
        batch, num_frames, _ = clips_BTX.shape
        _, out, channels = taps_SKC.shape
        taps_MC = taps_SKC.reshape(-1, channels)
        products_NM = clips_BTX.reshape(-1, channels) @ taps_MC.t()
        before, here, after = products_NM.view(batch, num_frames, -1, 3, out).unbind(3)
        mixed_BTLK = here.contiguous()
        mixed_BTLK[:, 1:] += before[:, :-1]
        mixed_BTLK[:, :-1] += after[:, 1:]
        ctx.save_for_backward(clips_BTX, taps_MC)
        return mixed_BTLK

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BTLK: Tensor) -> tuple[Tensor, Tensor]:
        clips_BTX, taps_MC = ctx.saved_tensors
        channels, out = taps_MC.shape[1], len(taps_MC) // 3
        of_products = grad_BTLK.new_empty(*grad_BTLK.shape[:3], 3, out)
        before, here, after = of_products.unbind(3)
        before[:, :-1], before[:, -1] = grad_BTLK[:, 1:], 0
        here.copy_(grad_BTLK)
        after[:, 1:], after[:, 0] = grad_BTLK[:, :-1], 0
        of_products_NM = of_products.view(-1, 3 * out)
        of_clips = (of_products_NM @ taps_MC).view_as(clips_BTX)
        of_taps = of_products_NM.t() @ clips_BTX.reshape(-1, channels)
        return of_clips, of_taps.view(3, out, channels)
