"""A convolution that looks in time or in space, computed in two dimensions or fewer.

B clips  C channels  T stills of a clip  H, W cells  F = B*T stills of the whole batch

Time is folded into the batch; a place's history becomes a column of a T x HW image, or a few matrix
products. In channels-last memory the foldings are views.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import init

from pipeline.models import products_in_time, winograd_in_time


class FoldedConv3d(nn.Module):
    """A Conv3d of kernel 1 x k x k or 3 x 1 x 1.

    The weight keeps Conv3d's five dimensions [out, in, kt, kh, kw]. There is no bias until
    `for_inference` adds one. Dimensions of one are squeezed, not indexed: the gradient of an index
    fills and copies a tensor of the weight's size.
    """

    def __init__(
        self, in_channels: int, out_channels: int, time: int = 1, space: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        assert time == 1 or (space == 1 and stride == 1), "a kernel looks in time or in space"
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, time, space, space))
        self.bias: nn.Parameter | None
        self.register_parameter("bias", None)
        self.fixed: Tensor | None
        self.register_buffer("fixed", None, persistent=False)  # what `factor` gives
        init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, stills_FCHW: Tensor, num_frames: int) -> Tensor:
        """[B*T, out, H, W], rounded up after a stride, of stills [B*T, in, H, W]."""
        _, _, time, _, space = self.weight.shape
        if space > 1 or self.stride > 1:
            return self.in_space(stills_FCHW)
        # On CPUs a 1 x 1 convolution is a worse matrix product, and oneDNN takes five times as long
        # for the gradient of a 3 x 1 kernel.
        if not stills_FCHW.is_cuda:
            return self.as_products(stills_FCHW, num_frames)
        return self.in_time(stills_FCHW, num_frames) if time > 1 else self.in_space(stills_FCHW)

    def in_space(self, stills_FCHW: Tensor) -> Tensor:
        """Convolve each still."""
        kernel, padding = self.weight.squeeze(2), self.weight.shape[4] // 2
        return F.conv2d(stills_FCHW, kernel, self.bias, stride=self.stride, padding=padding)

    def in_time(self, stills_FCHW: Tensor, num_frames: int) -> Tensor:
        """Convolve each place's history, a column of a T x HW image."""
        frames, channels, height, width = stills_FCHW.shape
        out, _, time, _, _ = self.weight.shape
        columns = stills_FCHW.permute(0, 2, 3, 1).reshape(-1, num_frames, height * width, channels)
        kernel = self.weight.squeeze(4)  # [out, in, kt, 1]
        mixed = F.conv2d(columns.permute(0, 3, 1, 2), kernel, self.bias, padding=(time // 2, 0))
        return mixed.permute(0, 2, 3, 1).reshape(frames, height, width, out).permute(0, 3, 1, 2)

    def as_products(self, stills_FCHW: Tensor, num_frames: int) -> Tensor:
        """Multiply every cell by the kernel, or by its taps, which are then added along time."""
        cells_FHWC = stills_FCHW.permute(0, 2, 3, 1)
        if self.weight.shape[2] == 1:
            return F.linear(cells_FHWC, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
        kernel = self.factor(product_type(cells_FHWC)) if self.fixed is None else self.fixed
        clips_BTX = cells_FHWC.to(kernel.dtype).reshape(-1, num_frames, cells_FHWC[0].numel())
        if winograd_in_time.pays(self.weight, kernel.dtype):
            mixed = winograd_in_time.convolve(clips_BTX, kernel)
        else:
            mixed = products_in_time.convolve(clips_BTX, kernel)
        mixed_FHWC = mixed.view(*cells_FHWC.shape[:3], -1)
        if self.bias is not None:
            mixed_FHWC += self.bias
        return mixed_FHWC.permute(0, 3, 1, 2)

    def factor(self, precision: torch.dtype) -> Tensor:
        """What a CPU multiplies stills by, for a kernel that looks in time."""
        taps_SKC = self.weight.flatten(2).permute(2, 0, 1)
        if winograd_in_time.pays(self.weight, precision):
            return winograd_in_time.at_points(taps_SKC)
        return taps_SKC.to(precision).contiguous()

    def fix(self, precision: torch.dtype) -> None:
        """Keep the weights as products take them, for inference: they are not meant to change."""
        if self.weight.shape[2] > 1 and not self.weight.is_cuda:
            self.fixed = self.factor(precision).detach()
        self.weight = nn.Parameter(self.weight.detach().to(precision), requires_grad=False)


def product_type(stills: Tensor) -> torch.dtype:
    """In which type autocast multiplies stills on this CPU; without it their own."""
    autocast = torch.is_autocast_enabled("cpu")
    return torch.get_autocast_dtype("cpu") if autocast else stills.dtype
