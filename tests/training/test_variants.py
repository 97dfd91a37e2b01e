"""The variants of params.yaml as networks."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from pipeline.settings.params import Params, load_params
from pipeline.training.variants import detector_of, validate, validation_keyframes
from pipeline.video.frame_store import FrameStore
from tests.toy_dataset import write_toy_dataset

ROOT = Path(__file__).resolve().parents[2]
LINEAR, CONTEXT, MLP = 31_800_465, 31_966_353, 48_747_665


def params_of(dataset: str) -> Params:
    return load_params(ROOT / "params.yaml", dataset)


def test_the_full_size_table_has_the_published_numbers_of_weights() -> None:
    params = params_of("ava_kinetics")

    with torch.device("meta"):
        found = {
            variant: sum(p.numel() for p in detector_of(params.train(variant)).parameters())
            for variant in params.variants
        }

    assert list(found.values()) == [*[LINEAR] * 4, *[CONTEXT] * 2, *[MLP] * 3]


def test_validation_scores_every_split_and_all_together(tmp_path: Path) -> None:
    write_toy_dataset(tmp_path, kinetics=True)
    params = load_params(tmp_path / "params.yaml")
    settings = params.train("plain")
    frames = FrameStore(tmp_path / "frames")
    keyframes = validation_keyframes(params, settings, tmp_path / "index", frames)

    found = validate(detector_of(settings), keyframes, params, tmp_path / "raw", settings.workers)

    assert list(found) == ["val_ava", "val_kinetics", "val_all"]
    assert all(0 < value < 1 for value in found.values())


def test_a_training_that_nothing_could_score_does_not_start(tmp_path: Path) -> None:
    write_toy_dataset(tmp_path)
    path = tmp_path / "index/val_ava.parquet"
    pq.write_table(pq.read_table(path)[:0], path)
    params = load_params(tmp_path / "params.yaml")

    with pytest.raises(ValueError, match=r"found no keyframe to validate on in \['val_ava'\]"):
        validation_keyframes(
            params, params.train("plain"), tmp_path / "index", FrameStore(tmp_path / "frames")
        )
