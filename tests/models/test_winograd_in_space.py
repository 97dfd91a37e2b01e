"""The faster convolution in space against torch's, and where it is used."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.detector import build_detector
from pipeline.models.folded_conv3d import FoldedConv3d
from pipeline.models.for_inference import for_inference
from pipeline.models.slow_only import SlowOnly, slowonly_tiny
from pipeline.models.winograd import NARROWEST
from pipeline.models.winograd_in_space import WinogradInSpace

T = 2  # stills of a clip


def made(
    channels: int, out: int, height: int, width: int, bias: bool = True
) -> tuple[FoldedConv3d, Tensor]:
    """A convolution of float64 in space, and the stills of two clips."""
    torch.manual_seed(0)
    conv = FoldedConv3d(channels, out, space=3).double()
    if bias:
        conv.bias = nn.Parameter(torch.rand(out, dtype=torch.float64))
    return conv, torch.rand(2 * T, channels, height, width, dtype=torch.float64)


def expected(conv: FoldedConv3d, stills_FCHW: Tensor) -> Tensor:
    return F.conv2d(stills_FCHW, conv.weight[:, :, 0], conv.bias, padding=1)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 6), (2, 3), (3, 4), (4, 4), (5, 8), (9, 7), (14, 14)]
)
@pytest.mark.parametrize(("channels", "out", "bias"), [(1, 1, True), (6, 4, False), (5, 7, True)])
def test_it_is_the_same_convolution(
    height: int, width: int, channels: int, out: int, bias: bool
) -> None:
    conv, stills = made(channels, out, height, width, bias)

    found = WinogradInSpace(conv)(stills, T)

    assert found.shape == (2 * T, out, height, width)
    assert (found - expected(conv, stills)).abs().max() < 1e-12


def test_memory_runs_through_the_channels_first() -> None:
    conv, stills = made(6, 4, 9, 7)

    found = WinogradInSpace(conv)(stills.contiguous(memory_format=torch.channels_last), T)

    assert found.is_contiguous(memory_format=torch.channels_last)


def test_float32_stays_within_rounding_of_float64() -> None:
    conv, stills = made(512, 32, 16, 16)
    reference = expected(conv, stills)

    found = WinogradInSpace(conv.float())(stills.float(), T)

    assert found.dtype == torch.float32
    assert (found - reference).abs().max() < 1e-4 * reference.std()


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    conv, stills = made(6, 4, 9, 7)
    fast, both = WinogradInSpace(conv.float()), stills.float()

    assert torch.equal(fast(both, T)[T:], fast(both[T:], T))


def test_wide_convolutions_in_space_are_replaced_for_inference() -> None:
    model = build_detector(lambda: SlowOnly((1, 1, 2, 2), 64)).eval()
    torch.manual_seed(0)
    clip, boxes = torch.rand(1, 3, 4, 32, 32), torch.tensor([[0.0, 2, 2, 30, 30]])

    folded = for_inference(model)

    replaced = [layer for layer in folded.modules() if isinstance(layer, WinogradInSpace)]
    assert [layer.taps.shape[1] for layer in replaced] == [256, 512, 512]  # stride 1
    assert not any(isinstance(layer, WinogradInSpace) for layer in model.modules())
    with torch.inference_mode():
        assert (folded(clip, boxes) - model(clip, boxes)).abs().max() < 1e-4


def test_bfloat16_is_left_to_the_library() -> None:
    folded = for_inference(build_detector(lambda: SlowOnly((1, 1, 1, 2), 64)), bfloat16=True)

    kernels = [layer.weight for layer in folded.modules() if isinstance(layer, FoldedConv3d)]
    assert {kernel.dtype for kernel in kernels} == {torch.bfloat16}
    assert not any(isinstance(layer, WinogradInSpace) for layer in folded.modules())


def test_narrow_ones_stay() -> None:
    folded = for_inference(build_detector(slowonly_tiny))

    kernels = [layer.weight for layer in folded.modules() if isinstance(layer, FoldedConv3d)]
    assert max(k.shape[1] for k in kernels if k.shape[3] == 3) < NARROWEST
    assert not any(isinstance(layer, WinogradInSpace) for layer in folded.modules())
