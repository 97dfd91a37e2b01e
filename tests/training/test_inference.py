"""Running a detector over keyframes: its rows, and that neighbours in a batch do not matter."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline.models.networks import ActionDetector, build_detector
from pipeline.models.slow_only import SlowOnly
from pipeline.sampling import Sampling
from pipeline.training.inference import detect
from pipeline.training.keyframe_dataset import EvaluationKeyframes
from pipeline.training.keyframe_index import read_index
from pipeline.video.frame_store import FrameStore
from tests.toy_dataset import write_toy_dataset


@pytest.fixture(scope="module")
def keyframes(tmp_path_factory: pytest.TempPathFactory) -> EvaluationKeyframes:
    """Three keyframes of 36 x 48 pixels and three of 48 x 36."""
    folder = tmp_path_factory.mktemp("toy")
    write_toy_dataset(folder)
    index = read_index(Path(folder / "index/val_ava.parquet"))
    return EvaluationKeyframes(index, FrameStore(folder / "frames"), Sampling(4, 16), 32, 0.9)


def detector() -> ActionDetector:
    torch.manual_seed(0)
    return build_detector(lambda: SlowOnly((1, 1, 1, 1), 4), context=True, temporal_max=True)


def test_batched_results_equal_one_by_one(keyframes: EvaluationKeyframes) -> None:
    alone = detect(detector(), keyframes, 1, 0.002, "test")

    batched = detect(detector(), keyframes, 4, 0.002, "test")

    pd.testing.assert_frame_equal(alone, batched, rtol=0, atol=1e-5)


def test_rows_carry_the_proposals_own_corners(keyframes: EvaluationKeyframes) -> None:
    found = detect(detector(), keyframes, 4, 0.002, "test")

    first = found[(found["video_id"] == "clip_b") & (found["timestamp"] == 0.5)]
    corners = first[["x1", "y1", "x2", "y2"]].drop_duplicates().to_numpy()
    assert corners.round(4).tolist() == [[0.1, 0.2, 0.5, 0.7], [0.5, 0.2, 0.9, 0.7]]
    assert sorted(first["action_id"].unique()) == list(range(1, 81))


def test_scores_at_or_below_the_least_are_left_out(keyframes: EvaluationKeyframes) -> None:
    model = detector()
    torch.nn.init.constant_(model.roi_head.bbox_head.fc_cls.weight, 0)
    model.roi_head.bbox_head.fc_cls.bias.data[17] = 1.0

    found = detect(model, keyframes, 4, 0.5, "test")

    # Every other action scores exactly a half.
    assert set(found["action_id"]) == {17}
    assert len(found) == 6 * 2


def test_the_model_goes_on_in_the_mode_it_was_in(keyframes: EvaluationKeyframes) -> None:
    model = detector().train()

    detect(model, keyframes, 4, 0.9, "test")

    assert model.training
