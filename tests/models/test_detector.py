"""The full-size detectors against the original's numbers."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.models.fast_conv import for_inference, use_fast_convolutions
from pipeline.models.heads import MLPHead
from pipeline.models.networks import ActionDetector, build_detector
from pipeline.models.roi_head import average_grid
from pipeline.models.slow_only import slowonly_r50, slowonly_tiny
from pipeline.models.zoo import BACKBONES
from pipeline.training.hardware import in_precision
from tests.reference_rule import BOXES, CLIPS, clip, distance, numbers, weight

HEADS = {
    "baseline": {},
    "context": {"context": True},
    "context_tmax": {"context": True, "temporal_max": True},
    "context_tmax_nl": {"context": True, "temporal_max": True, "head": MLPHead()},
}
PARAMETERS = {
    "baseline": 31_800_465,
    "context": 31_966_353,
    "context_tmax": 31_966_353,
    "context_tmax_nl": 48_747_665,
}
ARCHITECTURE = numbers("architecture.json")
GOLDEN = numbers("forward.npz")


@pytest.fixture(scope="module")
def detector() -> Callable[[str], ActionDetector]:
    """A reference detector by name; the backbone is made once, in float64."""
    torch.set_num_threads(1)
    backbone = slowonly_r50()

    def build(name: str) -> ActionDetector:
        made = build_detector(lambda: backbone, **HEADS[name]).eval()
        own = {key: made.state_dict()[key] for key in ARCHITECTURE["heads"][name]}
        made.load_state_dict(
            {k: torch.from_numpy(weight(k, v.shape)) for k, v in own.items()}, False
        )
        return made.double()

    first = build_detector(lambda: backbone)
    first.load_state_dict(
        {k: torch.from_numpy(weight(k, tuple(v.shape))) for k, v in first.state_dict().items()}
    )
    return build


@pytest.mark.parametrize("name", HEADS)
def test_weights_carry_the_published_names_and_shapes(name: str) -> None:
    with torch.device("meta"):
        made = build_detector(slowonly_r50, **HEADS[name])

    expected = ARCHITECTURE["backbone"] | ARCHITECTURE["heads"][name]
    assert {key: list(value.shape) for key, value in made.state_dict().items()} == expected
    assert sum(value.numel() for value in made.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("tag", CLIPS)
@pytest.mark.parametrize("form", ["plain", "fast"])
def test_features_crops_and_logits_equal_the_original_in_float64(
    detector, tag: str, form: str
) -> None:
    clip_BCTHW = torch.from_numpy(clip(tag, CLIPS[tag])).double()
    boxes = torch.tensor(BOXES[tag], dtype=torch.float32).double()

    with torch.inference_mode():
        backbone = deepcopy(detector("baseline").backbone)
        if form == "fast":
            use_fast_convolutions(backbone)
        features = backbone(clip_BCTHW)
        for name in HEADS:
            head = detector(name).roi_head
            crops = head.crops(features, boxes)
            logits = head.bbox_head(crops)

            assert distance(crops[:, ::256, None], GOLDEN[f"{tag}.f64.{name}.roi_ch256"]) < 1e-9
            assert distance(logits, GOLDEN[f"{tag}.f64.{name}.logits"]) < 1e-9
    assert distance(features[:, ::128], GOLDEN[f"{tag}.f64.feat_ch128"]) < 1e-9


def test_float32_stays_within_rounding_of_float64(detector) -> None:
    made = detector("context_tmax_nl").float()
    clip_BCTHW = torch.from_numpy(clip("a", CLIPS["a"]))
    boxes = torch.tensor(BOXES["a"])

    with torch.inference_mode():
        logits = made(clip_BCTHW, boxes)

    made.double()
    assert distance(logits, GOLDEN["a.f64.context_tmax_nl.logits"]) < 2e-5
    scores = logits.sigmoid().numpy()
    assert abs(scores - GOLDEN["a.predict.context_tmax_nl.scores"]).max() < 2e-6


@pytest.mark.parametrize("name", ["baseline", "context_tmax_nl"])
def test_bfloat16_stays_within_its_rounding_of_float64(detector, name: str) -> None:
    """At most 2.6 % of a standard deviation was measured, over all heads and clips."""
    made = use_fast_convolutions(deepcopy(detector(name))).float()
    clip_BCTHW, boxes = torch.from_numpy(clip("a", CLIPS["a"])), torch.tensor(BOXES["a"])

    with torch.inference_mode(), in_precision("bfloat16", torch.device("cpu")):
        found = [model(clip_BCTHW, boxes) for model in (made, for_inference(made, bfloat16=True))]

    for logits in found:
        assert logits.dtype == torch.float32
        assert 1e-4 < distance(logits, GOLDEN[f"a.f64.{name}.logits"]) < 0.03


def test_folded_batch_norm_changes_logits_by_rounding_only(detector) -> None:
    made = for_inference(detector("context"))
    clip_BCTHW = torch.from_numpy(clip("a", CLIPS["a"])).double()

    with torch.inference_mode():
        logits = made(clip_BCTHW, torch.tensor(BOXES["a"]).double())

    assert not any(isinstance(layer, nn.BatchNorm3d) for layer in made.modules())
    assert distance(logits, GOLDEN["a.f64.context.logits"]) < 1e-9


@pytest.mark.parametrize("size", [(16, 16), (6, 6), (16, 21), (3, 40), (8, 1)])
def test_the_whole_frame_is_averaged_as_by_the_library(size: tuple[int, int]) -> None:
    features = torch.rand(2, 3, *size, dtype=torch.float64)

    found = average_grid(features)

    assert (found - F.adaptive_avg_pool2d(features, 8)).abs().max() < 1e-12


@pytest.mark.parametrize("name", BACKBONES)
def test_backbone_reports_its_width_and_its_strides(name: str) -> None:
    with torch.device("meta"):
        backbone = BACKBONES[name]().build()
        features = backbone(torch.zeros(2, 3, 5, 64, 80))

    steps = -(-5 // backbone.time_stride)
    height, width = (-(-side // backbone.stride) for side in (64, 80))
    assert features.shape == (2, backbone.channels, steps, height, width)


def test_a_box_without_area_gets_the_bias_alone() -> None:
    made = build_detector(slowonly_tiny).eval()
    boxes = torch.tensor([[0.0, 10, 10, 10, 40]])

    logits = made(torch.rand(1, 3, 4, 64, 64), boxes)

    assert torch.equal(logits[0], made.roi_head.bbox_head.fc_cls.bias)
