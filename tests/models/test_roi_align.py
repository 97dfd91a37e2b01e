"""RoIAlign alone: values and gradients of the original kernel."""

import subprocess
import sys

import torch

from pipeline.models.roi_align import interpolation, roi_align
from tests.reference_rule import numbers, uniform

REFERENCE = numbers("roi_align.npz")


def features(dtype: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(4 * uniform("roialign:feat", (2, 3, 9, 13)) - 2).float().to(dtype)


def test_equals_the_original_kernel_in_float64() -> None:
    features_BCHW = features(torch.float64).requires_grad_()
    upstream = torch.from_numpy(uniform("roialign:grad", (13, 3, 8, 8)) - 0.5).float().double()

    crops = roi_align(features_BCHW, torch.from_numpy(REFERENCE["rois"]), stride=16)
    crops.backward(upstream)

    assert abs(crops.detach().numpy() - REFERENCE["f64.out"]).max() < 1e-12
    assert abs(features_BCHW.grad.numpy() - REFERENCE["f64.grad_feat"]).max() < 1e-12


def test_float32_differs_by_rounding_only() -> None:
    crops = roi_align(features(torch.float32), torch.from_numpy(REFERENCE["rois"]), stride=16)

    assert abs(crops.numpy() - REFERENCE["f64.out"]).max() < 2e-6


def test_a_bin_averages_the_cells_it_covers() -> None:
    # 8..264 px is 16 cells from the middle of cell 0: each of 8 bins covers two cells, sampled at
    # 0.5 and 1.5 cells behind its start, which is half-way between two neighbours.
    weights = interpolation(torch.tensor([8.0]), torch.tensor([264.0]), size=20, stride=16)[0]

    assert torch.allclose(weights[0, :4], torch.tensor([0.25, 0.5, 0.25, 0.0]))
    assert torch.allclose(weights.sum(dim=1), torch.ones(8))


def test_no_boxes_give_no_crops() -> None:
    assert roi_align(torch.zeros(1, 4, 5, 5), torch.zeros(0, 5), stride=16).shape == (0, 4, 8, 8)


def test_a_cpu_does_without_torchvision() -> None:
    script = (
        "import sys, torch; from pipeline.models.roi_align import roi_align;"
        "roi_align(torch.zeros(1, 3, 9, 13), torch.zeros(2, 5), 16, deterministic=False);"
        "assert 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
