"""Whole networks: a detector of the actions in person boxes, and the classifier it starts from."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import init

from pipeline.models.backbone import Backbone
from pipeline.models.heads import Head, LinearHead
from pipeline.models.roi_head import NUM_OUTPUTS, RoIHead


class ActionDetector(nn.Module):
    """Score the actions of each person box of each clip."""

    def __init__(self, backbone: Backbone, roi_head: RoIHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.roi_head = roi_head

    def forward(self, clip_BCTHW: Tensor, boxes_N5: Tensor) -> Tensor:
        """Return logits of every box.

        Args:
            clip_BCTHW: [B, 3, T, H, W] normalised RGB.
            boxes_N5: [N, 5] position in the batch, x1, y1, x2, y2 in pixels of the clip.

        Returns: [N, K]; column k is class id k, column 0 means nothing. Float32 at least.
        """
        features_BCTHW = self.backbone(clip_BCTHW)
        # The head costs next to nothing, and bfloat16 would round a box's corners to whole pixels.
        with torch.autocast(features_BCTHW.device.type, enabled=False):
            if features_BCTHW.dtype == torch.bfloat16:
                features_BCTHW = features_BCTHW.float()
            logits: Tensor = self.roi_head(features_BCTHW, boxes_N5)
        return logits


def build_detector(
    backbone: Callable[[], Backbone],
    temporal_max: bool = False,
    context: bool = False,
    head: Head = LinearHead(),  # noqa: B008 frozen
    dropout: float = 0.5,
    deterministic: bool = True,
    num_outputs: int = NUM_OUTPUTS,
) -> ActionDetector:
    """Return a detector with fresh weights.

    Args:
        backbone: returns one with fresh weights.
        temporal_max, context, head, dropout, deterministic, num_outputs: as for `RoIHead`.
    """
    body = backbone()
    roi_head = RoIHead(
        body.channels,
        body.stride,
        temporal_max,
        context,
        head,
        dropout,
        deterministic,
        num_outputs,
    )
    return ActionDetector(body, roi_head)


class ClassHead(nn.Module):
    """Mean over time and place, dropout, one linear layer (mmaction2's I3DHead)."""

    def __init__(self, channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc_cls = nn.Linear(channels, num_classes)
        init.normal_(self.fc_cls.weight, std=0.01)
        init.zeros_(self.fc_cls.bias)

    def forward(self, features_BCTHW: Tensor) -> Tensor:
        logits: Tensor = self.fc_cls(self.dropout(features_BCTHW.mean(dim=(2, 3, 4))))
        return logits


class ClipRecognizer(nn.Module):
    """One label for a whole clip."""

    def __init__(self, backbone: Backbone, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.backbone = backbone
        self.cls_head = ClassHead(backbone.channels, num_classes, dropout)

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        """Return [B, num_classes] logits of normalised clips [B, 3, T, H, W]."""
        logits: Tensor = self.cls_head(self.backbone(clip_BCTHW))
        return logits
