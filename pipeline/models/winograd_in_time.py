"""Convolution in time with half the multiplications, on a CPU.

B clips  T stills  L cells of a still  C, K channels before and after  S = 3 taps
P = 6 points at which a tile of 4 stills and the kernel are multiplied

F(4, 3) of `winograd` along a clip. In float32 it rounds as coarsely as the library's own 3 x 3
convolution of these widths: within 7e-6 of a standard deviation, where the sum of three products
stays within 1.5e-6. bfloat16 would round the points' values and is left to the products.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.models.winograd import NARROWEST, OF_INPUTS, OF_PRODUCTS, OF_TAPS, TILE, matrix


def pays(weight: Tensor, factor: torch.dtype) -> bool:
    """Whether a kernel [out, in, kt, kh, kw] looks in time and is wide enough to become faster."""
    _, channels, time, _, _ = weight.shape
    return time == 3 and channels >= NARROWEST and factor != torch.bfloat16


def at_points(taps_SKC: Tensor) -> Tensor:
    """The kernel's values at the points: [P, C, K]."""
    of_taps_PS, taps_SCK = matrix(OF_TAPS, taps_SKC), taps_SKC.transpose(1, 2)
    return (of_taps_PS @ taps_SCK.flatten(1)).view(-1, *taps_SCK.shape[1:])


def convolve(clips_BTX: Tensor, kernel_PCK: Tensor) -> Tensor:
    """Convolve along T; what is before and after a clip is zero.

    Args:
        clips_BTX: [B, T, L*C]
        kernel_PCK: of `at_points`.

    Returns: [B, T, L*K]
    """
    mixed_FX: Tensor = _WinogradInTime.apply(clips_BTX, kernel_PCK)  # type: ignore[no-untyped-call]
    return mixed_FX.view(*clips_BTX.shape[:2], -1)


class _WinogradInTime(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, clips_BTX: Tensor, kernel_PCK: Tensor) -> Tensor:
        num_frames = clips_BTX.shape[1]
        of_products = matrix(OF_PRODUCTS, kernel_PCK)
        mixed = [
            of_products[: num_frames - start] @ torch.bmm(seen_PLC, kernel_PCK).flatten(1)
            for clip_TX in clips_BTX
            for start, _, _, seen_PLC in _tiles(clip_TX, kernel_PCK)
        ]
        ctx.save_for_backward(clips_BTX, kernel_PCK)
        return torch.cat(mixed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_FX: Tensor) -> tuple[Tensor, Tensor]:
        clips_BTX, kernel_PCK = ctx.saved_tensors
        points, _, out = kernel_PCK.shape
        of_outputs = matrix(OF_PRODUCTS, kernel_PCK).t()
        grad_BTX = grad_FX.view(*clips_BTX.shape[:2], -1)
        of_clips, of_kernel = torch.zeros_like(clips_BTX), torch.zeros_like(kernel_PCK)
        for clip_TX, grad_TX, of_clip in zip(clips_BTX, grad_BTX, of_clips, strict=True):
            for start, seen, of_stills_PS, seen_PLC in _tiles(clip_TX, kernel_PCK):
                grad_SX = grad_TX[start : start + TILE]
                products_PLK = (of_outputs[:, : len(grad_SX)] @ grad_SX).view(points, -1, out)
                of_kernel.baddbmm_(seen_PLC.transpose(1, 2), products_PLK)
                of_seen_PLC = torch.bmm(products_PLK, kernel_PCK.transpose(1, 2))
                of_clip[seen] += of_stills_PS.t() @ of_seen_PLC.flatten(1)
        return of_clips, of_kernel


def _tiles(clip_TX: Tensor, kernel_PCK: Tensor) -> Iterator[tuple[int, slice, Tensor, Tensor]]:
    """What the points see of each four stills of a clip.

    The stills before and after the clip are zero: their columns are left out.

    Yields: the first of the outputs, the stills that are seen, their matrix [P, <= 6], [P, L, C].
    """
    points, channels, _ = kernel_PCK.shape
    of_inputs = matrix(OF_INPUTS, kernel_PCK)
    for start in range(0, len(clip_TX), TILE):
        first, last = max(start - 1, 0), min(start + TILE + 1, len(clip_TX))
        of_stills_PS = of_inputs[:, first - start + 1 : last - start + 1]
        seen_PLC = (of_stills_PS @ clip_TX[first:last]).view(points, -1, channels)
        yield start, slice(first, last), of_stills_PS, seen_PLC
