"""Which precision a device computes in."""

import pytest
import torch

from pipeline.training import hardware
from pipeline.training.hardware import in_precision

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
    monkeypatch.setattr(hardware, "_likes_bfloat16", lambda device: likes)

    with in_precision(precision, CPU):
        found = product_type()

    assert found == expected
    assert product_type() == torch.float32
