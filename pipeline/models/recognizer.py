"""A clip classifier; its backbone is what the detectors start from."""

from torch import Tensor, nn
from torch.nn import init

from pipeline.models.backbone import Backbone


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
        """[B, num_classes] logits of normalised clips [B, 3, T, H, W]."""
        logits: Tensor = self.cls_head(self.backbone(clip_BCTHW))
        return logits
