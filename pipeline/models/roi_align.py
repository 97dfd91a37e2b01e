"""Cut a fixed grid of features out of every box: RoIAlign (He et al., Mask R-CNN, 2017).

N boxes  C channels  H, W cells  P = pooled side  G = samples a bin takes along one axis

Bilinear interpolation and averaging both act on rows and columns apart, so a box's crop is
Y F X^T with two small matrices Y [P, H] and X [P, W]. That form needs no compiled operator and is
deterministic on a GPU too, where the native backward pass is not.
"""

import torch
from torch import Tensor

from pipeline.models.vision import has_native_ops, import_torchvision

POOLED_SIDE = 8


def roi_align(
    features_BCHW: Tensor, boxes_N5: Tensor, stride: int, deterministic: bool = True
) -> Tensor:
    """Crop every box to 8 x 8 cells, half a cell shifted ("aligned"), as many samples as needed.

    Args:
        features_BCHW: [B, C, H, W]
        boxes_N5: [N, 5] batch index, x1, y1, x2, y2 in input pixels; without area it gives zeros.
        stride: input pixels per feature cell.
        deterministic: use the separable form on a GPU too, even where the native operator exists.

    Returns: [N, C, 8, 8]
    """
    # On a CPU it is never asked for: importing torchvision takes seconds of every small job.
    if not deterministic and features_BCHW.is_cuda and has_native_ops():
        native = import_torchvision().ops.roi_align
        boxes = boxes_N5.to(features_BCHW.dtype)
        crops: Tensor = native(features_BCHW, boxes, POOLED_SIDE, 1 / stride, -1, aligned=True)
        return crops
    return separable_roi_align(features_BCHW, boxes_N5, stride)


def separable_roi_align(features_BCHW: Tensor, boxes_N5: Tensor, stride: int) -> Tensor:
    """`roi_align` as two matrix products a box, with the border rules of the original kernel.

    Free of copies in channels-last memory, in which the result lies too.
    """
    height, width = features_BCHW.shape[2:]
    boxes = boxes_N5.to(features_BCHW.dtype)
    rows_NPH = interpolation(boxes[:, 2], boxes[:, 4], height, stride)
    columns_NPW = interpolation(boxes[:, 1], boxes[:, 3], width, stride)
    maps_NHWC = features_BCHW.permute(0, 2, 3, 1)[boxes_N5[:, 0].long()]
    rows_done_NPX = torch.bmm(rows_NPH, maps_NHWC.flatten(2))
    rows_done_NPWC = rows_done_NPX.view(*rows_NPH.shape[:2], *maps_NHWC.shape[2:])
    return torch.matmul(columns_NPW[:, None], rows_done_NPWC).permute(0, 3, 1, 2)


def interpolation(low_px: Tensor, high_px: Tensor, size: int, stride: int) -> Tensor:
    """Return weights with which the cells of one axis enter each bin of each box.

    Args:
        low_px, high_px: [N] the box's two ends on this axis, in input pixels.
        size: cells of this axis.
        stride: input pixels per cell.

    Returns: [N, P, size]
    """
    start = low_px / stride - 0.5
    length = high_px / stride - 0.5 - start
    bin_size = length / POOLED_SIDE
    num_samples = torch.ceil(bin_size)  # 0 for an empty box: then every weight is 0
    most = int(num_samples.max().item()) if len(num_samples) else 0
    sample_G = torch.arange(max(most, 1), dtype=low_px.dtype, device=low_px.device)
    bin_P = torch.arange(POOLED_SIDE, dtype=low_px.dtype, device=low_px.device)
    step = bin_size / num_samples.clamp(min=1)
    at_NPG = (
        start[:, None, None]
        + bin_P[None, :, None] * bin_size[:, None, None]
        + (sample_G + 0.5)[None, None, :] * step[:, None, None]
    )
    # A sample up to one cell outside the map reads its border; further out it counts as zero.
    counted = (sample_G < num_samples[:, None])[:, None] & (at_NPG >= -1) & (at_NPG <= size)
    cell = torch.arange(size, dtype=low_px.dtype, device=low_px.device)
    weights_NPGS = 1 - (at_NPG.clamp(0, size - 1)[..., None] - cell).abs()
    weights_NPGS = weights_NPGS.clamp(min=0) * counted[..., None]
    return weights_NPGS.sum(dim=2) / num_samples.clamp(min=1)[:, None, None]
