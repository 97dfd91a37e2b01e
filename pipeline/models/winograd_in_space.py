"""Convolution in space with a quarter of the multiplications, for inference on a CPU.

F stills  H, W cells  P = 6 * 6 points at which a tile of 4 x 4 cells and the kernel are multiplied
I, J = 6 cells that a tile sees of each side  N tiles of all stills

F(4, 3) of `winograd` along both sides at once. In float32 it stays within 4e-5 of a standard
deviation, where the library's own convolution of these widths is within 1e-5.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.folded_conv3d import FoldedConv3d
from pipeline.models.winograd import NARROWEST, OF_INPUTS, OF_PRODUCTS, OF_TAPS, TILE, matrix

SEEN = TILE + 2


class WinogradInSpace(nn.Module):
    """Stands in for a `FoldedConv3d` of kernel 1 x 3 x 3 and stride 1; its weights are fixed."""

    of_inputs: Tensor  # [P, I*J]
    of_products: Tensor  # [4*4, P]
    taps: Tensor  # [P, C, K]

    def __init__(self, conv: FoldedConv3d) -> None:
        super().__init__()
        self.bias = conv.bias
        weight = conv.weight.detach()[:, :, 0]
        of_taps = matrix(OF_TAPS, weight.double())
        taps_PCK = torch.einsum("ps,qt,kcst->pqck", of_taps, of_taps, weight.double()).flatten(0, 1)
        self.register_buffer("taps", taps_PCK.to(weight).contiguous(), persistent=False)
        of_inputs, of_products = matrix(OF_INPUTS, weight), matrix(OF_PRODUCTS, weight)
        self.register_buffer("of_inputs", torch.kron(of_inputs, of_inputs), persistent=False)
        self.register_buffer("of_products", torch.kron(of_products, of_products), persistent=False)

    def forward(self, stills_FCHW: Tensor, num_frames: int) -> Tensor:
        """Convolve as `FoldedConv3d` does; free of copies in channels-last memory."""
        cells_FHWC = stills_FCHW.permute(0, 2, 3, 1)
        # A clip at a time: enough rows for a product, few enough to stay in the cache.
        clips = [self.clip(cells) for cells in torch.split(cells_FHWC, num_frames)]
        return torch.cat(clips).permute(0, 3, 1, 2)

    def clip(self, cells_FHWC: Tensor) -> Tensor:
        """[F, H, W, K] of a few stills."""
        frames, height, width, channels = cells_FHWC.shape
        points, _, out = self.taps.shape
        high, wide = -(-height // TILE), -(-width // TILE)  # in tiles
        missing = TILE * wide + 1 - width, TILE * high + 1 - height
        padded = F.pad(cells_FHWC, (0, 0, 1, missing[0], 1, missing[1]))
        by_still, by_row, by_cell, by_channel = padded.stride()
        seen_IJFHWC = padded.as_strided(
            (SEEN, SEEN, frames, high, wide, channels),
            (by_row, by_cell, by_still, TILE * by_row, TILE * by_cell, by_channel),
        )
        seen_PNC = (self.of_inputs @ seen_IJFHWC.reshape(points, -1)).view(points, -1, channels)
        products_PNK = torch.bmm(seen_PNC, self.taps)
        if self.bias is not None:
            products_PNK[SEEN + 1] += self.bias  # every output takes this point as it is
        tiles = self.of_products @ products_PNK.flatten(1)
        grid = tiles.view(TILE, TILE, frames, high, wide, out).permute(2, 3, 0, 4, 1, 5)
        return grid.reshape(frames, TILE * high, TILE * wide, out)[:, :height, :width]


def pays(conv: FoldedConv3d, precision: torch.dtype) -> bool:
    """Whether it looks in space, everywhere, and is wide enough to become faster, on a CPU."""
    _, channels, _, _, space = conv.weight.shape
    fits = space == 3 and conv.stride == 1 and channels >= NARROWEST
    return fits and precision != torch.bfloat16 and not conv.weight.is_cuda
