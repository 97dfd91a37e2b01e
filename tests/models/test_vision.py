"""Torchvision beside a CPU-only torch."""

import torch

from pipeline.models.vision import import_torchvision, non_maximum_suppression


def test_torchvision_imports_and_its_nms_answers() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
    scores = torch.tensor([0.5, 0.9, 0.7])

    kept = import_torchvision().ops.nms(boxes, scores, 0.5)

    assert kept.tolist() == [1, 2]


def test_nms_keeps_a_box_that_overlaps_by_exactly_the_threshold() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 1], [0, 0, 1, 1], [0, 0, 1.5, 1]])
    scores = torch.tensor([0.9, 0.8, 0.7])

    kept = non_maximum_suppression(boxes, scores, 0.5)

    assert kept.tolist() == [0, 1]
