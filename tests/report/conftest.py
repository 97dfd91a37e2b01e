"""A study small enough to make in a second: two videos, made-up frames and detections."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.annotations.class_list import read_class_list
from pipeline.report.study import Study, load_study
from pipeline.settings.params import Params, load_params
from pipeline.video.frame_store import FrameStore, FrameStoreWriter
from pipeline.video.jpeg import encode_rgb
from tests.report.made_results import write_results
from tests.small_dataset import read_settings, write_settings

CLASS_LIST = """item { name: "stand" id: 12 }
item { name: "talk to (e.g., self, a person)" id: 79 }
item { name: "bend/bow <at the waist>" id: 1 }
"""
PEOPLE = {"0.1,0.2,0.4,0.9": (12, 79), "0.5,0.1,0.9,0.95": (12,)}
SECONDS = range(4, 10)
LEFT_OUT = ("lost", "HTTP 404")


@dataclass(frozen=True)
class Build:
    """Where the stages before the report would have left things."""

    folder: Path
    params: Params

    @property
    def arguments(self) -> list[str]:
        """Flags of the report stage."""
        flags = {
            "params": "params.yaml",
            "results": "results",
            "raw": "raw",
            "index": "index",
            "frames": "frames",
            "coverage": "coverage.csv",
            "out": "results/report",
            "metrics": "results/metrics.json",
        }
        return [text for k, v in flags.items() for text in (f"--{k}", str(self.folder / v))]

    def load(self) -> Study:
        folder = self.folder
        places = (folder / "results", folder / "raw", folder / "index", folder / "coverage.csv")
        return load_study(self.params, *places)

    def frames(self) -> FrameStore:
        return FrameStore(self.folder / "frames")


@pytest.fixture(scope="session")
def build(tmp_path_factory) -> Build:
    folder = tmp_path_factory.mktemp("build")
    write_params(folder / "params.yaml")
    params = load_params(folder / "params.yaml")
    raw = folder / "raw"
    raw.mkdir()
    (raw / "classes.pbtxt").write_text(CLASS_LIST)
    rows = [
        f"{video},{second:04d},{box},{action},0\n"
        for video in ("one", "two", LEFT_OUT[0])
        for second in SECONDS
        for box, actions in PEOPLE.items()
        for action in actions
    ]
    (raw / "ground_truth.csv").write_text("".join(rows))
    write_index(folder / "index")
    write_frames(folder / "frames")
    write_coverage(folder / "coverage.csv")
    classes = read_class_list(raw / "classes.pbtxt")
    write_results(params, folder / "results", raw, folder / "index", classes)
    return Build(folder, params)


@pytest.fixture(scope="session")
def study(build: Build) -> Study:
    return build.load()


def write_params(path: Path) -> None:
    """params.yaml of the project, cut down to one validation split and few resamples."""
    params: dict[str, Any] = read_settings()
    params["evaluate"]["bootstrap_resamples"] = 100
    params["report"]["gallery_keyframes"] = 2
    demo = params["datasets"]["demo"]
    demo["class_list"] = "classes.pbtxt"
    kept = [subset for subset in demo["subsets"] if subset["name"] in ("ava_train", "ava_val")]
    demo["subsets"] = [
        {**subset, "ground_truth": "ground_truth.csv", "excluded": None} for subset in kept
    ]
    write_settings(path, params)


def write_index(folder: Path) -> None:
    boxes = [float(number) for box in PEOPLE for number in box.split(",")]
    rows = [
        {
            "subset": "ava_val",
            "video_id": video,
            "timestamp": float(second),
            "clip": video,
            "frame": 1 + second - SECONDS[0],
            "boxes": np.array(boxes, np.float32),
            "labels": [list(actions) for actions in PEOPLE.values()],
        }
        for video in ("one", "two")
        for second in SECONDS
    ]
    folder.mkdir()
    pd.DataFrame(rows).to_parquet(folder / "val_ava.parquet")


def write_frames(folder: Path) -> None:
    folder.mkdir()
    image = np.tile(np.linspace(40, 200, 64, dtype=np.uint8)[:, None, None], (1, 96, 3))
    jpeg = encode_rgb(image, quality=95)
    with FrameStoreWriter(folder / "00.tar", folder / "00.parquet") as store:
        for clip in ("one", "two"):
            for number in range(1, len(SECONDS) + 1):
                store.add(clip, number, jpeg, width=96, height=64)


def write_coverage(path: Path) -> None:
    columns = ["subset", "split", "video_id", "clip", "keyframes", "boxes", "status", "reason"]
    rows = [("ava_val", "val_ava", name, name, 6, 12, "ok", "") for name in ("one", "two")]
    rows.append(("ava_val", "val_ava", LEFT_OUT[0], LEFT_OUT[0], 6, 12, "missing", LEFT_OUT[1]))
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
