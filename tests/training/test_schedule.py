"""Learning rates and optimizer steps against a real run of the original."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.training.step import learning_rate, make_optimizer, update
from tests.reference_rule import numbers, uniform

RATES = numbers("learning_rates.json")
RUNS = numbers("optimizer.json")


def test_rates_equal_the_original_in_all_iterations() -> None:
    per_epoch, epochs = RATES["iters_per_epoch"], RATES["epochs"]

    found = [learning_rate(i, per_epoch, epochs, 2, 0.1) for i in range(per_epoch * epochs)]

    assert np.abs(np.array(found) - RATES["lr"]).max() < 1e-15


def test_a_run_without_warmup_starts_at_the_full_rate() -> None:
    assert learning_rate(0, 5, 2, 0, 0.4) == 0.4


def test_a_warmup_of_one_iteration_is_at_the_full_rate() -> None:
    assert learning_rate(0, 1, 3, 1, 0.4) == 0.4


def test_a_warmup_of_two_iterations_goes_from_a_tenth_to_the_full_rate() -> None:
    rates = [learning_rate(iteration, 2, 3, 1, 0.4) for iteration in range(3)]

    assert rates == pytest.approx([0.04, 0.4, 0.4], abs=1e-15)


def test_a_step_of_adamw_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([2.0, -4.0], dtype=torch.float64))
    optimizer = make_optimizer([weight], "adamw", 0.8, 0.5)
    mean, squares, by_hand = 0.0, 0.0, weight.detach().clone()

    for number, gradient in enumerate((1.0, -3.0), 1):
        weight.grad = torch.full_like(weight, gradient)
        update(optimizer, [weight], 0.1, clip_norm=40)
        mean = 0.8 * mean + 0.2 * gradient
        squares = 0.999 * squares + 0.001 * gradient**2
        unbiased = mean / (1 - 0.8**number), squares / (1 - 0.999**number)
        by_hand = by_hand * (1 - 0.1 * 0.5) - 0.1 * unbiased[0] / (unbiased[1] ** 0.5 + 1e-8)

    assert torch.allclose(weight.detach(), by_hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", RUNS)
def test_three_steps_equal_the_original(name: str) -> None:
    run = RUNS[name]
    names = ["0.weight", "1.weight", "1.bias", "2.weight", "2.bias"]
    shapes = [(4, 3, 1, 3, 3), (4,), (4,), (5, 4), (5,)]
    start = [torch.tensor(run["init"][key]) for key in names]
    parameters = [nn.Parameter(v.reshape(s)) for v, s in zip(start, shapes, strict=True)]
    optimizer = make_optimizer(parameters, "sgd", 0.9, 1e-5)

    for iteration, step in enumerate(run["steps"]):
        for key, parameter in zip(names, parameters, strict=True):
            draw = uniform(f"grad{iteration}:tiny.{key}", tuple(parameter.shape))
            parameter.grad = torch.from_numpy(2 * run["grad_scale"] * (draw - 0.5)).float()
        norm = update(optimizer, parameters, step["lr"], clip_norm=40)

        assert norm == pytest.approx(step["grad_norm_before_clip"], rel=1e-6)
        for key, parameter in zip(names, parameters, strict=True):
            expected = torch.tensor(step["params"][key])
            assert torch.allclose(parameter.detach().flatten(), expected, rtol=0, atol=2e-7)
