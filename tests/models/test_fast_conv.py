"""The fast form of a network against the plain one."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.fast_conv import FastConv3d, for_inference, use_fast_convolutions
from pipeline.models.networks import build_detector
from pipeline.models.slow_only import ConvNorm, SlowOnly, slowonly_r50, slowonly_tiny

KERNELS = {
    "time": {"time": 3},
    "space": {"space": 3},
    "space, stride 2": {"space": 3, "stride": 2},
    "stem": {"space": 7, "stride": 2},
    "point": {},
    "point, stride 2": {"stride": 2},
}
LAYOUTS = {"plain": torch.contiguous_format, "channels last": torch.channels_last_3d}


def difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).detach().abs().max())


def varied(model: nn.Module) -> nn.Module:
    """Give norms that start as 0 and 1 weights and statistics of their own."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm3d):
            nn.init.uniform_(layer.weight, 0.4, 0.8)
            nn.init.uniform_(layer.bias, -0.2, 0.2)
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
    return model


@pytest.mark.parametrize("num_frames", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 7)])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_convolution_and_its_gradients_are_those_of_the_plain_form(
    kernel: str, size: tuple[int, int], num_frames: int
) -> None:
    torch.manual_seed(0)
    plain = varied(ConvNorm(5, 4, **KERNELS[kernel])).double()
    fast = use_fast_convolutions(deepcopy(plain))
    clips = torch.randn(2, 5, num_frames, *size, dtype=torch.float64, requires_grad=True)

    expected, found = plain(clips), fast(clips)

    downstream = torch.randn_like(expected)
    assert found.shape == expected.shape
    assert difference(found, expected) < 1e-12
    for mine, theirs in zip(
        torch.autograd.grad(found, [clips, *fast.parameters()], downstream),
        torch.autograd.grad(expected, [clips, *plain.parameters()], downstream),
        strict=True,
    ):
        assert difference(mine, theirs) < 1e-10


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_a_kernel_in_time_is_the_same_convolution_on_every_device(num_frames: int) -> None:
    torch.manual_seed(0)
    plain = nn.Conv3d(6, 4, (3, 1, 1), padding=(1, 0, 0)).double()
    fast = FastConv3d(plain)
    clips = torch.rand(2, 6, num_frames, 3, 5, dtype=torch.float64)

    for found in (fast.as_products(clips), fast.in_time(clips)):
        assert difference(found, plain(clips)) < 1e-12


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("training", [True, False])
def test_a_network_gives_the_same_features_and_statistics(layout: str, training: bool) -> None:
    torch.manual_seed(0)
    plain = varied(SlowOnly((1, 2, 1, 2), 4)).double().train(training)
    fast = use_fast_convolutions(deepcopy(plain))
    clips = torch.randn(2, 3, 5, 37, 50, dtype=torch.float64).to(memory_format=LAYOUTS[layout])

    found, expected = fast(clips), plain(clips)

    assert difference(found, expected) < 1e-9
    for name, value in plain.state_dict().items():
        assert difference(fast.state_dict()[name].double(), value.double()) < 1e-12, name


def test_float32_stays_within_rounding_of_float64() -> None:
    torch.manual_seed(0)
    plain = ConvNorm(2048, 32, time=3).double().conv
    clips = torch.randn(2, 2048, 8, 3, 5, dtype=torch.float64)
    expected = plain(clips)

    found = use_fast_convolutions(nn.Sequential(deepcopy(plain).float()))(clips.float())

    assert found.dtype == torch.float32
    assert difference(found, expected) < 1e-5 * float(expected.detach().std())


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    torch.manual_seed(0)
    layer = use_fast_convolutions(ConvNorm(6, 4, time=3)).conv
    clips = torch.randn(2, 6, 8, 3, 5)

    assert torch.equal(layer(clips)[1:], layer(clips[1:]))


def test_no_plain_layer_is_left_and_weights_keep_their_names_and_memory() -> None:
    plain = slowonly_tiny()
    names = {name: value.data_ptr() for name, value in plain.state_dict().items()}

    fast = use_fast_convolutions(plain)

    assert not any(type(layer) in (nn.Conv3d, nn.MaxPool3d) for layer in fast.modules())
    assert {name: value.data_ptr() for name, value in fast.state_dict().items()} == names


def test_features_lie_with_their_channels_last() -> None:
    clips = torch.rand(1, 3, 2, 32, 32).to(memory_format=torch.channels_last_3d)

    features = use_fast_convolutions(slowonly_tiny())(clips)

    assert features.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_for_inference_equals_the_network_and_leaves_it_alone(bfloat16: bool) -> None:
    torch.manual_seed(0)
    model = varied(build_detector(lambda: SlowOnly((1, 1, 1, 1), 16), context=True)).eval()
    before = deepcopy(model.state_dict())
    clip, boxes = torch.rand(1, 3, 4, 32, 32), torch.tensor([[0.0, 2, 2, 30, 30]])

    fast = for_inference(model, bfloat16)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        found = fast(clip, boxes)

    with torch.inference_mode():
        expected = model(clip, boxes)
    assert difference(found, expected) < (0.05 if bfloat16 else 1e-5) * float(expected.std())
    assert not any(isinstance(layer, nn.BatchNorm3d) for layer in fast.modules())
    kernels = [layer.weight for layer in fast.modules() if isinstance(layer, FastConv3d)]
    assert {kernel.dtype for kernel in kernels} == {torch.bfloat16 if bfloat16 else torch.float32}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_published_size_has_its_number_of_weights() -> None:
    with torch.device("meta"):
        model = slowonly_r50()

    assert sum(value.numel() for value in model.parameters()) == 31_634_496


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(4, 4, 3, padding=1),
        nn.Conv3d(4, 4, (2, 4, 4), stride=(2, 4, 4)),
        nn.Conv3d(4, 4, (1, 3, 3)),
        nn.Conv3d(4, 4, (1, 3, 3), padding=(0, 1, 1), groups=2),
        nn.Conv3d(4, 4, (1, 3, 3), padding=(0, 2, 2), dilation=(1, 2, 2)),
        nn.Conv3d(4, 4, (3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)),
        nn.MaxPool3d(2),
        nn.MaxPool3d((1, 3, 2), stride=(1, 2, 2)),
        nn.MaxPool3d((1, 2, 2), ceil_mode=True),
    ],
)
def test_layers_of_other_networks_stay_as_they_are(layer: nn.Module) -> None:
    clip = torch.rand(1, 4, 4, 9, 9, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(layer)
    expected = model(clip)

    assert torch.equal(use_fast_convolutions(model)(clip), expected)
    assert model[0] is layer
