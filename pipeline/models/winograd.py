"""Winograd's F(4, 3): four outputs of a kernel of three taps cost 6 multiplications instead of 12.

P = 6 points at which a tile of the input and the kernel are multiplied

Source: Lavin & Gray, Fast Algorithms for Convolutional Neural Networks (2015, arXiv:1509.09308).
"""

import torch
from torch import Tensor

TILE = 4  # outputs at a time
NARROWEST = 256  # input channels; with fewer, what is saved goes into the transforms

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
