"""Cross-entropy and focal loss against the original, and by hand."""

import math

import pytest
import torch

from pipeline.models.losses import (
    BinaryCrossEntropy,
    FocalLoss,
    Loss,
    LossSum,
    class_loss,
)
from tests.reference_rule import numbers

REFERENCE = numbers("losses.npz")
VALUES = numbers("assignment.json")["losses"]


@pytest.mark.parametrize("case", ["one_image", "batch", "degenerate"])
@pytest.mark.parametrize(
    ("name", "kind"), [("bce", BinaryCrossEntropy()), ("focal1", FocalLoss(gamma=1.0))]
)
def test_loss_and_gradient_equal_the_original(case: str, name: str, kind: Loss) -> None:
    logits = torch.from_numpy(REFERENCE[f"{case}.logits"]).double().requires_grad_()
    labels = torch.from_numpy(REFERENCE[f"{case}.targets"])

    loss = kind(logits, labels).mean
    loss.backward()

    assert abs(loss.item() - VALUES[f"{case}.{name}.f64"]) < 1e-12
    assert abs(logits.grad.numpy() - REFERENCE[f"{case}.{name}.f64.grad"]).max() < 1e-12


def test_a_single_wrong_action_by_hand() -> None:
    logits = torch.zeros(1, 81)
    labels = torch.zeros(1, 81)
    labels[0, 12] = 1

    # Every probability is a half: each term is log 2, and a focal weight of 1 - 1/2 halves it.
    assert BinaryCrossEntropy()(logits, labels).mean.item() == pytest.approx(math.log(2))
    assert FocalLoss(gamma=1.0)(logits, labels).mean.item() == pytest.approx(math.log(2) / 2)
    assert FocalLoss(gamma=2.0)(logits, labels).mean.item() == pytest.approx(math.log(2) / 4)


def test_the_first_action_is_a_label_like_any_other() -> None:
    labels = torch.zeros(1, 81)
    labels[0, 1] = 1

    assert BinaryCrossEntropy()(torch.zeros(1, 81), labels).num_terms == 80


def test_a_mean_is_over_the_terms() -> None:
    assert [LossSum(torch.tensor(6.0), number).mean.item() for number in (1, 2, 3)] == [6, 3, 2]


def test_clips_with_one_label_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])

    loss = class_loss(logits, torch.tensor([1, 0]))

    assert loss.total.item() == pytest.approx(math.log(2) + math.log(4 / 3))
    assert loss.num_terms == 2


def test_boxes_without_labels_do_not_train() -> None:
    logits = torch.randn(2, 81, requires_grad=True)
    labels = torch.zeros(2, 81)

    loss = BinaryCrossEntropy()(logits, labels).mean
    loss.backward()

    assert loss.item() == 0
    assert logits.grad.abs().sum() == 0
