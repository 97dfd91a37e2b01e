"""What the model's two benchmarks share: two equal networks, one batch, one step."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.models.fast_conv import use_fast_convolutions
from pipeline.models.losses import BinaryCrossEntropy
from pipeline.models.networks import ActionDetector, build_detector
from pipeline.models.roi_head import NUM_OUTPUTS
from pipeline.models.slow_only import SlowOnly
from pipeline.training.step import make_optimizer, update

BOXES_PER_CLIP = 5
CLOSE = 1e-4  # of the spread of the plain network's outputs

Precision = Callable[[], AbstractContextManager[object]]


class Batch:
    """Clips with boxes and labels, always the same."""

    def __init__(self, num_clips: int, num_frames: int, side_px: int) -> None:
        draw = torch.Generator().manual_seed(1)
        self.clip_BCTHW = torch.randn(num_clips, 3, num_frames, side_px, side_px, generator=draw)
        number = num_clips * BOXES_PER_CLIP
        low = torch.rand(number, 2, generator=draw) * 0.5
        high = low + 0.2 + torch.rand(number, 2, generator=draw) * 0.3
        place = torch.arange(num_clips).repeat_interleave(BOXES_PER_CLIP)[:, None]
        self.boxes_N5 = torch.cat([place, low * side_px, high * side_px], dim=1)
        self.labels_NK = (torch.rand(number, NUM_OUTPUTS, generator=draw) < 0.05).float()
        self.labels_NK[:, 1] = 1  # everyone does something

    def to(self, device: torch.device) -> "Batch":
        """Move all of it; the clip in the order of memory in which the loader makes it."""
        clip = self.clip_BCTHW.to(device, memory_format=torch.channels_last_3d)
        self.clip_BCTHW, self.boxes_N5 = clip, self.boxes_N5.to(device)
        self.labels_NK = self.labels_NK.to(device)
        return self

    def plainly_laid(self) -> Tensor:
        """Return the clip with its memory in the order B, C, T, H, W."""
        return self.clip_BCTHW.contiguous()


def equal_networks(
    blocks: Sequence[int] = (3, 4, 6, 3),
    width: int = 64,
    deterministic: bool = True,
    head: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[ActionDetector, nn.Module]:
    """The fast detector and the plain one, with equal weights and without dropout; R50 by default.

    Args:
        head: switches of `RoIHead`.
    """
    torch.manual_seed(0)
    plain = build_detector(
        lambda: SlowOnly(blocks, width), dropout=0.0, deterministic=deterministic, **head
    )
    for layer in plain.modules():
        if isinstance(layer, nn.BatchNorm3d):  # some start as 0, and would hide what is behind
            nn.init.uniform_(layer.weight, 0.4, 0.8)
            nn.init.uniform_(layer.bias, -0.2, 0.2)
    return use_fast_convolutions(deepcopy(plain)), plain


def refuse_difference(ours: nn.Module, plain: nn.Module, batch: Batch) -> float:
    """Return largest difference of their outputs, in standard deviations of the plain one's.

    In float32 with the stored statistics of batch norm, and in float64 with those of the batch: the
    sum of 100,000 numbers rounds differently with the order of memory.

    Raises: RuntimeError when it is above `CLOSE`: their times would compare different work.
    """
    largest = 0.0
    for training, precision in ((False, torch.float32), (True, torch.float64)):
        boxes_N5 = batch.boxes_N5.to(precision)
        with torch.inference_mode():
            mine, theirs = (
                deepcopy(model).to(precision).train(training)(clip.to(precision), boxes_N5)
                for model, clip in ((ours, batch.clip_BCTHW), (plain, batch.plainly_laid()))
            )
        largest = max(largest, float((mine - theirs).abs().max() / theirs.std()))
    if not largest <= CLOSE:
        raise RuntimeError(f"outputs differ by {largest:.1e} standard deviations")
    return largest


def training_step(
    model: nn.Module, clip_BCTHW: Tensor, batch: Batch, precision: Precision
) -> Callable[[], None]:
    """Forward, loss, backward, clipping and SGD of one batch."""
    parameters = list(model.parameters())
    optimizer = make_optimizer(parameters, "sgd", 0.9, 1e-5)

    def step() -> None:
        model.train()
        with precision():
            logits = model(clip_BCTHW, batch.boxes_N5)
        BinaryCrossEntropy()(logits.float(), batch.labels_NK).mean.backward()  # type: ignore[no-untyped-call]
        update(optimizer, parameters, 1e-3, clip_norm=40.0)

    return step


def inference(
    model: nn.Module, clip_BCTHW: Tensor, batch: Batch, precision: Precision
) -> Callable[[], None]:
    """One forward pass without gradients."""

    def infer() -> None:
        model.eval()
        with torch.inference_mode(), precision():
            model(clip_BCTHW, batch.boxes_N5).float().sigmoid()

    return infer
