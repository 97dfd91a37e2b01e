"""The variants of params.yaml as networks."""

from pathlib import Path

import pytest
import torch

from pipeline.models.slow_only import BACKBONES
from pipeline.params import Params, load_params
from pipeline.training.variants import detector_of

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ["demo", "ava_kinetics"]
LINEAR, CONTEXT, MLP = 31_800_465, 31_966_353, 48_747_665


def params_of(dataset: str) -> Params:
    loaded = load_params(ROOT / "params.yaml")
    return Params(loaded._raw, "params.yaml", dataset)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_variant_names_a_known_backbone(dataset: str) -> None:
    params = params_of(dataset)

    assert {params.train(variant).backbone for variant in params.variants} <= set(BACKBONES)


def test_the_full_size_table_has_the_published_numbers_of_weights() -> None:
    params = params_of("ava_kinetics")

    with torch.device("meta"):
        found = {
            variant: sum(p.numel() for p in detector_of(params.train(variant)).parameters())
            for variant in params.variants
        }

    assert list(found.values()) == [*[LINEAR] * 4, *[CONTEXT] * 2, *[MLP] * 3]
