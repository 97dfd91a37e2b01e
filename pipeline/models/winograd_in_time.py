"""Convolution in time with half the multiplications, for inference on a CPU.

B clips  T stills  H, W cells  F = B*T stills of the whole batch  L = H*W cells of a still
P = 6 points at which a tile of 4 stills and the kernel are multiplied

F(4, 3) of `winograd` along a clip. In float32 it rounds as coarsely as the library's own 3 x 3
convolution of these widths: within 7e-6 of a standard deviation, where the sum of three products
stays within 1.5e-6.
"""

import torch
from torch import Tensor

from pipeline.models.slow_only import FoldedConv3d
from pipeline.models.winograd import OF_INPUTS, OF_PRODUCTS, OF_TAPS, TILE, Winograd, matrix

NARROWEST = 256  # input channels; with fewer, what is saved goes into the transforms


class WinogradInTime(Winograd):
    """Stands in for a `FoldedConv3d` of kernel 3 x 1 x 1."""

    of_stills: Tensor  # [P, 6]
    of_products: Tensor  # [4, P]
    taps: Tensor  # [P, C, K]

    def __init__(self, conv: FoldedConv3d) -> None:
        super().__init__(conv)
        weight = conv.weight.detach()[..., 0, 0]
        weight_SCK = weight.permute(2, 1, 0).contiguous().double()
        taps = torch.tensordot(matrix(OF_TAPS, weight_SCK), weight_SCK, dims=1).to(weight)
        self.register_buffer("taps", taps, persistent=False)
        self.register_buffer("of_stills", matrix(OF_INPUTS, weight), persistent=False)
        self.register_buffer("of_products", matrix(OF_PRODUCTS, weight), persistent=False)

    def convolved(self, cells_FHWC: Tensor, num_frames: int) -> Tensor:
        clips_BTX = cells_FHWC.reshape(len(cells_FHWC) // num_frames, num_frames, -1)
        tiles = [
            self.tile(clip_TX, start)
            for clip_TX in clips_BTX
            for start in range(0, num_frames, TILE)
        ]
        return torch.cat(tiles).view(*cells_FHWC.shape[:3], -1)

    def tile(self, clip_TX: Tensor, start: int) -> Tensor:
        """Outputs of one clip from `start` on, four or what is left of them.

        The stills before and after the clip are zero: their columns are left out.

        Args:
            clip_TX: [T, L*C].

        Returns: [<= 4, L*K].
        """
        points, channels, _ = self.taps.shape
        first, last = max(start - 1, 0), min(start + TILE + 1, len(clip_TX))
        of_stills_PS = self.of_stills[:, first - start + 1 : last - start + 1]
        seen_PLC = (of_stills_PS @ clip_TX[first:last]).view(points, -1, channels)
        products_PLK = torch.bmm(seen_PLC, self.taps)
        if self.conv.bias is not None:
            products_PLK[1] += self.conv.bias
        return self.of_products[: len(clip_TX) - start] @ products_PLK.flatten(1)


def pays(conv: FoldedConv3d) -> bool:
    """Whether the convolution looks in time and is wide enough to become faster."""
    _, channels, time, _, _ = conv.weight.shape
    return time == 3 and channels >= NARROWEST
