"""What the demo promises about its table, checked on the demo that `make demo` built here."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from pipeline.annotations.class_list import read_class_list
from pipeline.evaluation.metrics import read_split_ground_truth, score_detections
from pipeline.models.checkpoints import load_weights, read_weights
from pipeline.settings.params import load_params
from pipeline.training.variants import detector_of, validate, validation_keyframes
from pipeline.video.frame_store import FrameStore
from tests.conftest import ROOT

RESULTS, DATA = ROOT / "results" / "demo", ROOT / "data" / "demo"
RAW = DATA / "annotations" / "raw"
PARAMS = load_params(ROOT / "params.yaml", "demo")

pytestmark = [
    pytest.mark.dag,
    pytest.mark.skipif(
        not (RESULTS / "recorded.txt").exists(),
        reason="`make demo` has not been run in this folder",
    ),
]


class OtherClips:
    """Frames of another clip in the place of each clip's own."""

    def __init__(self, frames: FrameStore, clips: Sequence[str]) -> None:
        self._frames = frames
        self._other = dict(zip(clips, [*clips[1:], clips[0]], strict=True))

    def decode_into(
        self, stills: npt.NDArray[np.uint8], clip: str, numbers: npt.NDArray[np.int64]
    ) -> None:
        other = self._other[clip]
        first, last = self._frames.first_frame(other), self._frames.last_frame(other)
        shown = self._frames.decode(other, np.clip(numbers, first, last))
        stills[:] = [cv2.resize(still, self._frames.size(clip)) for still in shown]


@pytest.fixture(scope="module")
def table() -> dict[str, float]:
    metrics = json.loads((RESULTS / "metrics.json").read_text())
    return {variant: row["mAP"] for variant, row in metrics.items()}


def test_every_row_learns_and_the_best_learns_well(table: dict[str, float]) -> None:
    assert len(table) == 9
    assert min(table.values()) > 0.35
    assert max(table.values()) > 0.60


def test_everything_together_beats_the_first_row(table: dict[str, float]) -> None:
    assert table["more_frames"] >= table["k400_4x16"] + 0.05


def test_chance_is_far_below() -> None:
    detections = pd.read_parquet(RESULTS / "variants" / "more_frames" / "detections.parquet")
    detections = detections[detections["split"] == "val_ava"]
    detections["score"] = np.random.default_rng(0).random(len(detections))
    ground_truth, exclusions = read_split_ground_truth(RAW, PARAMS.subsets("val_ava"))

    classes = read_class_list(RAW / PARAMS.data.class_list)
    scores = score_detections(detections, ground_truth, exclusions, classes, "official")

    assert scores.mAP < 0.15


def test_frames_of_another_clip_give_chance() -> None:
    settings, frames = PARAMS.train("more_frames"), FrameStore(DATA / "frames")
    model = detector_of(settings)
    path = Path(RESULTS / "variants" / "more_frames" / "model.pt")
    load_weights(model, read_weights(path), str(path))
    own = validation_keyframes(PARAMS, settings, DATA / "index", frames)["val_ava"]
    clips = sorted(set(own.index.clip.to_pylist()))
    swapped = validation_keyframes(PARAMS, settings, DATA / "index", OtherClips(frames, clips))

    scores = validate(model, {"val_ava": swapped["val_ava"]}, PARAMS, RAW, workers=0)

    assert scores["val_ava"] < 0.15
