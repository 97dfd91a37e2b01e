"""The faster convolution in time against torch's, and where it is used."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.detector import build_detector
from pipeline.models.folding import without_batch_norm
from pipeline.models.slow_only import FoldedConv3d, SlowOnly, slowonly_tiny
from pipeline.models.winograd_in_time import NARROWEST, WinogradInTime


def made(
    channels: int, out: int, num_frames: int, bias: bool = True
) -> tuple[FoldedConv3d, Tensor]:
    """A convolution of float64 in time, and two clips of 3 x 5 cells."""
    torch.manual_seed(0)
    conv = FoldedConv3d(channels, out, time=3).double()
    if bias:
        conv.bias = nn.Parameter(torch.rand(out, dtype=torch.float64))
    return conv, torch.rand(2, channels, num_frames, 3, 5, dtype=torch.float64)


def stills(clips_BCTHW: Tensor) -> Tensor:
    return clips_BCTHW.transpose(1, 2).flatten(0, 1)


def expected(conv: FoldedConv3d, clips_BCTHW: Tensor) -> Tensor:
    return stills(F.conv3d(clips_BCTHW, conv.weight, conv.bias, padding=(1, 0, 0)))


@pytest.mark.parametrize("num_frames", [1, 2, 3, 4, 5, 8, 9, 16])
@pytest.mark.parametrize(("channels", "out", "bias"), [(1, 1, True), (6, 4, False), (5, 7, True)])
def test_it_is_the_same_convolution(num_frames: int, channels: int, out: int, bias: bool) -> None:
    conv, clips = made(channels, out, num_frames, bias)

    found = WinogradInTime(conv)(stills(clips), num_frames)

    assert (found - expected(conv, clips)).abs().max() < 1e-12


def test_float32_stays_within_rounding_of_float64() -> None:
    conv, clips = made(2048, 32, 8)
    reference = expected(conv, clips)

    found = WinogradInTime(conv.float())(stills(clips.float()), 8)

    assert found.dtype == torch.float32
    assert (found - reference).abs().max() < 2e-5 * reference.std()


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    conv, clips = made(6, 4, 8)
    fast, both = WinogradInTime(conv.float()), stills(clips.float())

    assert torch.equal(fast(both, 8)[8:], fast(both[8:], 8))


def test_bfloat16_is_left_to_the_plain_products() -> None:
    conv, clips = made(6, 4, 8)
    folded = stills(clips.float())
    fast = WinogradInTime(conv.float())

    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fast(folded, 8), conv(folded, 8))


def test_wide_convolutions_in_time_are_replaced_for_inference() -> None:
    model = build_detector(lambda: SlowOnly((1, 1, 1, 1), 64)).eval()
    torch.manual_seed(0)
    clip, boxes = torch.rand(1, 3, 4, 32, 32), torch.tensor([[0.0, 2, 2, 30, 30]])

    folded = without_batch_norm(model)

    replaced = [layer for layer in folded.modules() if isinstance(layer, WinogradInTime)]
    assert [layer.conv.weight.shape[1] for layer in replaced] == [512, 1024]
    assert not any(isinstance(layer, WinogradInTime) for layer in model.modules())
    with torch.inference_mode():
        assert (folded(clip, boxes) - model(clip, boxes)).abs().max() < 1e-4


def test_narrow_ones_stay() -> None:
    folded = without_batch_norm(build_detector(slowonly_tiny))

    kernels = [layer.weight for layer in folded.modules() if isinstance(layer, FoldedConv3d)]
    assert max(k.shape[1] for k in kernels if k.shape[2] == 3) < NARROWEST
    assert not any(isinstance(layer, WinogradInTime) for layer in folded.modules())
