"""Winograd's F(4, 3): four outputs of a kernel of three taps cost 6 multiplications instead of 12.

F stills of the whole batch  H, W cells  C, K channels before and after
P = 6 points at which a tile of the input and the kernel are multiplied

Source: Lavin & Gray, Fast Algorithms for Convolutional Neural Networks (2015, arXiv:1509.09308).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from pipeline.models.slow_only import FoldedConv3d

TILE = 4  # outputs at a time

# A row for each point: of the six inputs that a tile sees, and of the kernel's three taps.
OF_INPUTS = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
OF_TAPS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
# A row for each output, of the points' products; all take the second one as it is.
OF_PRODUCTS = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def matrix(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """One of the above in the type and on the device of `like`."""
    return torch.tensor(rows, dtype=like.dtype, device=like.device)


class Winograd(nn.Module, ABC):
    """Stands in for a `FoldedConv3d` on a CPU in float32; its weights are not meant to change."""

    def __init__(self, conv: FoldedConv3d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, stills_FCHW: Tensor, num_frames: int) -> Tensor:
        """Convolve as `FoldedConv3d` does.

        Args:
            stills_FCHW: [B*T, C, H, W]; free of copies in channels-last memory.

        Returns: [B*T, K, H, W], a view of channels-last memory.
        """
        device = stills_FCHW.device.type
        if device != "cpu" or torch.is_autocast_enabled(device):
            direct: Tensor = self.conv(stills_FCHW, num_frames)
            return direct
        return self.convolved(stills_FCHW.permute(0, 2, 3, 1), num_frames).permute(0, 3, 1, 2)

    @abstractmethod
    def convolved(self, cells_FHWC: Tensor, num_frames: int) -> Tensor:
        """[B*T, H, W, K], contiguous."""
