"""Both convolutions in time of a CPU, and their gradients, against torch's."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models import products_in_time, winograd_in_time
from pipeline.models.detector import build_detector
from pipeline.models.folded_conv3d import FoldedConv3d
from pipeline.models.for_inference import for_inference
from pipeline.models.slow_only import SlowOnly, slowonly_tiny
from pipeline.models.winograd import NARROWEST

Convolve = Callable[[Tensor, Tensor], Tensor]  # [B, T, L*C], [S, K, C]


def by_winograd(clips_BTX: Tensor, taps_SKC: Tensor) -> Tensor:
    return winograd_in_time.convolve(clips_BTX, winograd_in_time.at_points(taps_SKC))


WAYS = {"products": products_in_time.convolve, "winograd": by_winograd}
CELLS = 15


@pytest.fixture(params=WAYS)
def convolve(request: pytest.FixtureRequest) -> Convolve:
    return WAYS[request.param]


def made(channels: int, out: int, num_frames: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Clips [B, T, L*C] and taps [S, K, C] of float64."""
    torch.manual_seed(0)
    clips = torch.randn(batch, num_frames, CELLS * channels, dtype=torch.float64)
    return clips, torch.randn(3, out, channels, dtype=torch.float64)


def expected(clips_BTX: Tensor, taps_SKC: Tensor) -> Tensor:
    """The same of Conv3d."""
    channels = taps_SKC.shape[2]
    clips_BCTHW = clips_BTX.unflatten(2, (CELLS, 1, channels)).permute(0, 4, 1, 2, 3)
    kernel = taps_SKC.permute(1, 2, 0)[..., None, None]
    mixed_BKTHW = F.conv3d(clips_BCTHW, kernel, padding=(1, 0, 0))
    return mixed_BKTHW.permute(0, 2, 3, 4, 1).flatten(2)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 4, 5, 8, 9, 16])
@pytest.mark.parametrize(("channels", "out"), [(1, 1), (6, 4), (5, 7)])
def test_outputs_and_gradients_are_those_of_the_library(
    convolve: Convolve, num_frames: int, channels: int, out: int
) -> None:
    factors = made(channels, out, num_frames)
    found, reference = (
        way(*(factor.requires_grad_() for factor in factors)) for way in (convolve, expected)
    )
    downstream = torch.randn_like(reference)

    assert (found - reference).abs().max() < 1e-12
    for mine, theirs in zip(
        torch.autograd.grad(found, factors, downstream),
        torch.autograd.grad(reference, factors, downstream),
        strict=True,
    ):
        assert (mine - theirs).abs().max() < 1e-11


@pytest.mark.parametrize(
    ("name", "close", "gradients"), [("products", 1e-5, 1e-5), ("winograd", 2e-5, 4e-5)]
)
def test_float32_stays_within_rounding_of_float64(
    name: str, close: float, gradients: float
) -> None:
    factors = made(2048, 32, 8)
    halved = [factor.float().requires_grad_() for factor in factors]
    reference = expected(*(factor.requires_grad_() for factor in factors))
    downstream = torch.randn_like(reference)

    found = WAYS[name](*halved)

    assert found.dtype == torch.float32
    assert (found - reference).abs().max() < close * reference.std()
    for mine, theirs in zip(
        torch.autograd.grad(found, halved, downstream.float()),
        torch.autograd.grad(reference, factors, downstream),
        strict=True,
    ):
        assert (mine - theirs).abs().max() < gradients * theirs.std()


def test_a_clip_does_not_depend_on_its_neighbours(convolve: Convolve) -> None:
    clips, taps = (factor.float() for factor in made(6, 4, 8))

    assert torch.equal(convolve(clips, taps)[1:], convolve(clips[1:], taps))


@pytest.mark.parametrize(
    ("channels", "time", "factor", "pays"),
    [
        (256, 3, torch.float32, True),
        (255, 3, torch.float32, False),
        (256, 1, torch.float32, False),
        (256, 3, torch.bfloat16, False),
    ],
)
def test_winograd_is_for_wide_kernels_in_time_of_full_precision(
    channels: int, time: int, factor: torch.dtype, pays: bool
) -> None:
    assert winograd_in_time.pays(torch.zeros(1, channels, time, 1, 1), factor) == pays


@pytest.mark.parametrize("bias", [True, False])
def test_wide_kernels_with_and_without_bias_are_the_same_convolution(bias: bool) -> None:
    torch.manual_seed(0)
    conv = FoldedConv3d(NARROWEST, 4, time=3).double()
    conv.bias = nn.Parameter(torch.rand(4, dtype=torch.float64)) if bias else None
    clips_BCTHW = torch.rand(2, NARROWEST, 5, 3, 5, dtype=torch.float64)
    reference = F.conv3d(clips_BCTHW, conv.weight, conv.bias, padding=(1, 0, 0))
    stills = clips_BCTHW.transpose(1, 2).flatten(0, 1)

    found = [conv(stills, 5)]
    conv.fix(torch.float64)
    found.append(conv(stills, 5))

    for mixed in found:
        mixed_BKTHW = mixed.unflatten(0, (2, 5)).transpose(1, 2)
        assert (mixed_BKTHW - reference).abs().max() < 1e-12


def test_bfloat16_is_left_to_the_products() -> None:
    torch.manual_seed(0)
    conv = FoldedConv3d(NARROWEST, 4, time=3)
    stills = torch.rand(8, NARROWEST, 3, 5)
    clips = stills.permute(0, 2, 3, 1).reshape(1, 8, -1).bfloat16()
    taps = conv.weight.flatten(2).permute(2, 0, 1).bfloat16()
    expected = products_in_time.convolve(clips, taps).view(8, 3, 5, 4).permute(0, 3, 1, 2)

    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(stills, 8), expected)


def test_wide_kernels_in_time_are_kept_at_their_points_for_inference() -> None:
    model = build_detector(lambda: SlowOnly((1, 1, 1, 1), 64)).eval()
    torch.manual_seed(0)
    clip, boxes = torch.rand(1, 3, 4, 32, 32), torch.tensor([[0.0, 2, 2, 30, 30]])

    folded = for_inference(model)

    fixed = [layer.fixed for layer in folded.modules() if isinstance(layer, FoldedConv3d)]
    shapes = [kernel.shape for kernel in fixed if kernel is not None]
    assert shapes == [(6, 512, 256), (6, 1024, 512)]
    assert all(layer.fixed is None for layer in model.modules() if isinstance(layer, FoldedConv3d))
    with torch.inference_mode():
        assert (folded(clip, boxes) - model(clip, boxes)).abs().max() < 1e-4


def test_narrow_ones_keep_their_taps() -> None:
    folded = for_inference(build_detector(slowonly_tiny))

    in_time = [
        layer
        for layer in folded.modules()
        if isinstance(layer, FoldedConv3d) and layer.weight.shape[2] == 3
    ]
    assert max(layer.weight.shape[1] for layer in in_time) < NARROWEST
    assert {layer.fixed.shape[0] for layer in in_time} == {3}
