"""Someone's own videos and AVA-format files go through every stage by a params section alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.models.slow_only import slowonly_tiny
from tests.dag.project import Project

pytestmark = pytest.mark.dag

TRAIN = """\
acam_0902,0001,0.320,0.100,0.800,0.999,79,1
lart_jump,0003,0.330,0.220,0.480,0.820,10,1
lart_jump,0003,0.330,0.220,0.480,0.820,7,1
lart_jump,0005,0.330,0.220,0.480,0.820,10,1
v_Basketball_g01_c02,0002,0.570,0.330,0.690,0.700,12,1
v_Basketball_g01_c02,0002,0.190,0.460,0.260,0.700,12,2
v_Biking_g01_c01,0003,0.420,0.120,0.800,0.999,49,1
v_Biking_g01_c01,0003,0.420,0.120,0.800,0.999,11,1
mma_test,0003,0.250,0.010,0.999,0.999,11,1
gone,0003,0.250,0.010,0.999,0.999,11,1
"""
VAL = """\
v_Fencing_g01_c06,0002,0.150,0.400,0.450,0.850,64,1
v_Fencing_g01_c06,0002,0.820,0.200,0.999,0.850,64,2
v_SalsaSpin_g03_c01,0002,0.300,0.200,0.520,0.980,4,1
mma_demo_spatiotemporal_det,0005,0.010,0.010,0.620,0.999,11,1
"""
PEOPLE = """\
video_id,timestamp,x1,y1,x2,y2,score
v_Fencing_g01_c06,2,0.14,0.41,0.46,0.86,0.99
v_SalsaSpin_g03_c01,2,0.31,0.2,0.52,0.97,0.98
"""
CLASSES = 'item {{\n  name: "{name}"\n  id: {number}\n}}\n'


def write_files(folder: Path) -> None:
    folder.mkdir()
    (folder / "train.csv").write_text(TRAIN)
    (folder / "val.csv").write_text(VAL)
    (folder / "people.csv").write_text(PEOPLE)
    names = {4: "dance", 11: "sit", 64: "fight/hit (a person)"}
    (folder / "classes.pbtxt").write_text(
        "".join(CLASSES.format(name=name, number=number) for number, name in names.items())
    )
    torch.manual_seed(0)
    backbone = slowonly_tiny()
    weights = {f"backbone.{key}": value for key, value in backbone.state_dict().items()}
    torch.save({"state_dict": weights}, folder / "start.pth")


def section(files: Path, videos: Path) -> dict[str, Any]:
    """What a user would add to `datasets` in params.yaml."""
    small = {"batch_size": 2, "epochs": 2, "warmup_epochs": 1, "backbone": "slowonly_tiny"}
    small |= {
        "augmentations": [
            {"name": "scale", "short_side_px": [64, 80]},
            {"name": "random_crop", "side_px": 64},
            "flip",
        ],
        "test_short_side_px": 64,
    }
    subset = {"sources": [{"kind": "folder", "path": str(videos)}], "proposals": "people.csv"}
    names = ("train.csv", "val.csv", "people.csv", "classes.pbtxt")
    return {
        "synthetic": False,
        "num_shards": 2,
        "class_list": "classes.pbtxt",
        "annotation_files": [{"url": str(files / name)} for name in names],
        "subsets": [
            {"name": "mine_train", "split": "train", "ground_truth": "train.csv", **subset},
            {"name": "mine_val", "split": "val", "ground_truth": "val.csv", **subset},
        ],
        "pretrained": {"start": {"checkpoint": str(files / "start.pth")}},
        "settings": {
            "list_clips": {},
            "extract_frames": {"short_side_px": 96},
            "pretrain": small,
            "train": small,
            "evaluate": {},
        },
    }


def test_own_videos_reach_a_metrics_file(tmp_path: Path, external: Callable[[str], Path]) -> None:
    videos = external("clips/people")
    write_files(tmp_path / "files")
    project = Project(tmp_path / "project")

    def use(params: dict[str, Any]) -> None:
        params["datasets"]["mine"] = section(tmp_path / "files", videos)
        params["dataset"] = "mine"
        params["variants"] = {"mine": {"pretrained": "start", "context": True}}

    project.edit_params(use)
    project.snakemake("results/mine/metrics.json")

    metrics = project.metrics("mine")
    assert 0 <= metrics["mine"]["mAP"] <= 1
    detections = (project.folder / "results/mine/variants/mine/detections/val.csv").read_text()
    assert {line.split(",")[0] for line in detections.splitlines()} == {
        "v_Fencing_g01_c06",
        "v_SalsaSpin_g03_c01",
        "mma_demo_spatiotemporal_det",
    }
    coverage = (project.folder / "data/mine/coverage.csv").read_text()
    assert any(line.split(",")[2] == "gone" for line in coverage.splitlines())
