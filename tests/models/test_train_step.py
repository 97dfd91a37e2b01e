"""Three whole training steps of the original: assignment, loss, gradients, clipping, SGD."""

import numpy as np
import pytest
import torch

from pipeline.models.heads import MLPHead
from pipeline.models.losses import BinaryCrossEntropy, FocalLoss
from pipeline.models.networks import ActionDetector, build_detector
from pipeline.models.slow_only import slowonly_r50
from pipeline.training.processes import Processes
from pipeline.training.step import GlobalStep, make_optimizer, update
from pipeline.training.targets import sample_boxes
from tests.reference_rule import clip, numbers, uniform, weight

DETECTORS = {
    "baseline": ({}, BinaryCrossEntropy()),
    "context_tmax_nl_focal": (
        {"context": True, "temporal_max": True, "head": MLPHead()},
        FocalLoss(),
    ),
}
TABLES = numbers("train_step.json")
ARRAYS = numbers("train_step.npz")

GROUND_TRUTH = [[[4, 4, 40, 60], [20.5, 8.5, 63, 63]], [[0, 0, 63, 63], [33, 1, 60, 31]]]
PROPOSALS = [
    [[4, 4, 39, 60], [22, 9, 63, 63], [0, 0, 20, 20]],
    [[1, 0, 63, 63], [5, 30, 30, 62]],
]


def labels_of(case: str, num_people: int) -> torch.Tensor:
    """The reference's labels: a few at random, and one certain action a person."""
    labels = uniform(f"labels:{case}", (num_people, 81)) < 0.04
    labels[:, 0] = False
    labels[range(num_people), [1 + (37 * person) % 80 for person in range(num_people)]] = True
    return torch.from_numpy(labels)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes [N, 5] and labels [N, 81] of the two clips."""
    rows, labels = [], []
    for position, (ground_truth, proposals) in enumerate(zip(GROUND_TRUTH, PROPOSALS, strict=True)):
        _, boxes, people = sample_boxes(
            np.array([ground_truth], np.float32),
            np.array([len(ground_truth)]),
            np.array([proposals], np.float32),
            32,
            lambda _: 0,
        )
        column = np.full((len(boxes), 1), position, np.float32)
        rows.append(np.concatenate([column, boxes], axis=1))
        labels.append(labels_of(f"step{position}", len(ground_truth))[people])
    return torch.from_numpy(np.concatenate(rows)).double(), torch.cat(labels)


def gradients_match(detector: ActionDetector, name: str) -> bool:
    norms = TABLES[f"{name}.f64"]["grad_norms"]
    for key, parameter in detector.named_parameters():
        assert parameter.grad.norm().item() == pytest.approx(norms[key], rel=1e-9, abs=1e-13), key
        stored = f"{name}.f64.grad.{key}"
        if stored in ARRAYS:
            first = parameter.grad.flatten()[:64].numpy()
            assert abs(first - ARRAYS[stored]).max() <= 1e-9 * abs(ARRAYS[stored]).max(), key
    return True


@pytest.mark.parametrize("name", DETECTORS)
def test_three_steps_equal_the_original_in_float64(name: str) -> None:
    torch.set_num_threads(1)
    table = TABLES[f"{name}.f64"]
    switches, loss = DETECTORS[name]
    detector = build_detector(slowonly_r50, dropout=0.0, **switches)
    detector.load_state_dict(
        {k: torch.from_numpy(weight(k, tuple(v.shape))) for k, v in detector.state_dict().items()}
    )
    detector.double().train()
    parameters = list(detector.parameters())
    optimizer = make_optimizer(parameters, "sgd", 0.9, 1e-5)
    clip_BCTHW = torch.from_numpy(clip("step", (2, 3, 8, 64, 64))).double()
    boxes, labels = batch()

    for step in range(3):
        total = GlobalStep(detector)
        total.add(loss(detector(clip_BCTHW, boxes), labels))
        assert total.finish(Processes()).loss == pytest.approx(table["losses"][step], rel=1e-9)
        if step == 0:
            assert gradients_match(detector, name)
        norm = update(optimizer, parameters, 0.1, 40)
        if step == 0:
            assert norm == pytest.approx(table["grad_norm"], rel=1e-9)
            for key, (mean, std) in table["running_after_1"].items():
                found = detector.state_dict()[key]
                assert found.mean().item() == pytest.approx(mean, rel=1e-9, abs=1e-12), key
                assert found.std().item() == pytest.approx(std, rel=1e-9), key

    for key, parameter in detector.named_parameters():
        expected = table["norms_after_3"][key]
        assert parameter.norm().item() == pytest.approx(expected, rel=1e-9), key
