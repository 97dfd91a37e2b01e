"""Score the actions of each person box.

B clips  C channels  T time steps  H, W cells  N boxes  K outputs: a column is a class id

Source: mmaction2's AVARoIHead, SingleRoIExtractor3D and BBoxHeadAVA; the parameter names are kept.
"""

import torch
from torch import Tensor, nn
from torch.nn import init

from pipeline.models.heads import Head, LinearHead
from pipeline.models.roi_align import POOLED_SIDE, roi_align

NUM_OUTPUTS = 81  # of AVA, whose action ids end at 80; column 0 is never used


class BoxHead(nn.Module):
    """Dropout, the strongest response on the grid, then the classifier."""

    def __init__(self, classifier: nn.Module, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc_cls = classifier
        for layer in classifier.modules():
            if isinstance(layer, nn.Linear):
                init.xavier_normal_(layer.weight)
                init.zeros_(layer.bias)

    def forward(self, crops_NCPP: Tensor) -> Tensor:
        # Dropout before the maximum, as in the original: it hides cells, not whole channels.
        scores: Tensor = self.fc_cls(self.dropout(crops_NCPP).amax(dim=(2, 3)))
        return scores


class RoIHead(nn.Module):
    """Pool time away, crop the boxes, optionally add the context, score.

    Args:
        channels: of the backbone's features.
        stride: input pixels per feature cell.
        temporal_max: pool time by its maximum instead of its mean.
        context: give each box the whole frame's features beside its own.
        head: the classifier of a pooled box.
        dropout: share of cells that training hides from the classifier.
        deterministic: see `roi_align`.
        num_outputs: K, one more than the largest class id.
    """

    def __init__(
        self,
        channels: int,
        stride: int,
        temporal_max: bool = False,
        context: bool = False,
        head: Head = LinearHead(),  # noqa: B008 frozen
        dropout: float = 0.5,
        deterministic: bool = True,
        num_outputs: int = NUM_OUTPUTS,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.temporal_max = temporal_max
        self.context = context
        self.deterministic = deterministic
        classifier = head.build(channels * (2 if context else 1), num_outputs)
        self.bbox_head = BoxHead(classifier, dropout)

    def forward(self, features_BCTHW: Tensor, boxes_N5: Tensor) -> Tensor:
        """Return [N, K] logits of boxes [N, 5]: batch index, x1, y1, x2, y2 in input pixels."""
        logits: Tensor = self.bbox_head(self.crops(features_BCTHW, boxes_N5))
        return logits

    def crops(self, features_BCTHW: Tensor, boxes_N5: Tensor) -> Tensor:
        """[N, C or 2C, 8, 8]: the box's own features first, then those of the whole frame."""
        features_BTHWC = features_BCTHW.permute(0, 2, 3, 4, 1)  # as their memory runs
        pool_time = torch.amax if self.temporal_max else torch.mean
        image_BCHW = pool_time(features_BTHWC, dim=1).permute(0, 3, 1, 2)
        crops_NCPP = roi_align(image_BCHW, boxes_N5, self.stride, self.deterministic)
        if not self.context:
            return crops_NCPP
        around_BCPP = average_grid(image_BCHW)
        return torch.cat([crops_NCPP, around_BCPP[boxes_N5[:, 0].long()]], dim=1)


def average_grid(features_BCHW: Tensor) -> Tensor:
    """Means over a grid of 8 x 8 overlapping bins, as `adaptive_avg_pool2d` has them: [B, C, 8, 8].

    Two matrix products, like RoIAlign: the library's gradient is not deterministic on a GPU, and
    takes longer on a CPU.
    """
    height, width = features_BCHW.shape[2:]
    rows_PH, columns_PW = (bins(side).to(features_BCHW) for side in (height, width))
    rows_done = torch.einsum("ph,bchw->bcpw", rows_PH, features_BCHW)
    return torch.einsum("qw,bcpw->bcpq", columns_PW, rows_done)


def bins(side: int) -> Tensor:
    """Return [P, side] weights of the cells of one axis in each bin."""
    cell = torch.arange(side)
    bin_P1 = torch.arange(POOLED_SIDE)[:, None]
    first, stop = bin_P1 * side // POOLED_SIDE, -(-(bin_P1 + 1) * side // POOLED_SIDE)
    return ((cell >= first) & (cell < stop)).double() / (stop - first)
