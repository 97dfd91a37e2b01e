"""Both convolutions in time of a CPU, and their gradients, against torch's."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.models import products_in_time, winograd_in_time

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


@pytest.mark.parametrize(("name", "close"), [("products", 1e-5), ("winograd", 4e-5)])
def test_float32_stays_within_rounding_of_float64(name: str, close: float) -> None:
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
        assert (mine - theirs).abs().max() < close * theirs.std()


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
