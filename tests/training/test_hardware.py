"""Which precision a device computes in."""

import shutil
import sys
from copy import deepcopy

import pytest
import torch

from pipeline.models.fast_conv import use_fast_convolutions
from pipeline.models.networks import build_detector
from pipeline.models.slow_only import ConvNorm, SlowOnly
from pipeline.training import hardware
from pipeline.training.hardware import compile_backbone, in_precision

CPU = torch.device("cpu")


def product_type() -> torch.dtype:
    return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(
    ("precision", "likes", "expected"),
    [
        ("float32", True, torch.float32),
        ("bfloat16", False, torch.bfloat16),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
    ],
)
def test_auto_is_bfloat16_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, precision: str, likes: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(hardware, "_prefers_bfloat16", lambda device: likes)

    with in_precision(precision, CPU):
        found = product_type()

    assert found == expected
    assert product_type() == torch.float32


def test_bfloat16_moves_a_score_little() -> None:
    """0.9 % of a standard deviation was measured; 1.5 % with a head in bfloat16, too."""
    torch.manual_seed(0)
    model = build_detector(lambda: SlowOnly((1, 1, 1, 1), 8), context=True).eval()
    clips = torch.randn(2, 3, 4, 96, 96)
    corners = torch.tensor([[20.3, 30.7, 61.2, 80.4], [33.1, 5.2, 90.9, 77.7]])
    boxes = torch.cat([torch.tensor([[0.0], [1.0]]), corners], dim=1)

    with torch.inference_mode():
        exact = model(clips, boxes)
        with in_precision("bfloat16", CPU):
            short = model(clips, boxes)

    assert short.dtype == torch.float32
    assert not torch.equal(short, exact)
    assert (short - exact).abs().max() < 0.012 * exact.std()


def test_generated_kernels_compute_the_same_and_weights_keep_their_names() -> None:
    if not any(map(shutil.which, ("c++", "g++"))):
        pytest.skip("this machine has no C++ compiler")
    if " " in sys.prefix:
        pytest.skip("the library's C++ commands break at the space in this environment's path")
    torch.manual_seed(0)
    layer = use_fast_convolutions(ConvNorm(4, 3, time=3)).train()
    names, twin = list(layer.state_dict()), deepcopy(layer)
    clips = torch.randn(2, 4, 2, 5, 5)
    compile_backbone(layer, CPU)

    for each in (layer, twin):
        each(clips).square().mean().backward()

    assert list(layer.state_dict()) == names
    for mine, other in zip(layer.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad, rtol=1e-4, atol=1e-6)
    assert torch.allclose(layer.bn.running_var, twin.bn.running_var)


def test_an_environment_with_a_space_in_its_path_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CXX", sys.executable)  # anything that is there
    monkeypatch.setattr(sys, "prefix", "/home/my self/.venv")

    with pytest.raises(ValueError, match=r"compile: found a space in '/home/my self/\.venv'"):
        compile_backbone(torch.nn.Linear(2, 2), CPU)


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")

    with pytest.raises(ValueError, match="compile: found no no-such-compiler, expected"):
        compile_backbone(torch.nn.Linear(2, 2), CPU)
