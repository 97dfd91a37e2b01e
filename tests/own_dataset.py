"""Someone's own dataset: two subsets whose videos lie in folders, and the files that name them."""

import copy
from pathlib import Path
from typing import Any

from pipeline.settings.checks import PER_DATASET
from pipeline.settings.params import Params
from tests.small_dataset import read_settings

CLASSES = 'item { name: "a" id: 1 } item { name: "b" id: 2 }'
TRAIN = "c1,0001,0.1,0.1,0.9,0.9,1,0\nc1,0002,0.2,0.1,0.6,0.9,2,0\n"
VAL = "c2,0001,0.1,0.1,0.9,0.9,1,0\n"


def write_files(folder: Path, **texts: str | bytes) -> Path:
    """Write classes.pbtxt, train.csv, val.csv and people.csv; `texts` by name, without ending."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {"classes": CLASSES, "train": TRAIN, "val": VAL, "people": ""} | texts
    for name, text in usual.items():
        path = folder / f"{name}.{'pbtxt' if name == 'classes' else 'csv'}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def write_videos(folder: Path, *names: str) -> Path:
    """Make files of these names, each with its name for content: enough for who only looks."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def own_params(
    train: Path, val: Path | None = None, change: dict[str, Any] | None = None, **changes: Any
) -> Params:
    """Return settings of a dataset `mine`.

    Args:
        train, val: folders of the videos of both subsets; one for both without the second.
        change: keys of the dataset that differ.
        changes: keys of the settings that differ.
    """
    raw = copy.deepcopy(read_settings())
    subsets = [
        {
            "name": f"mine_{split}",
            "split": split,
            "ground_truth": f"{split}.csv",
            "proposals": "people.csv",
            "sources": [{"kind": "folder", "path": str(folder)}],
        }
        for split, folder in (("train", train), ("val", val or train))
    ]
    raw["datasets"]["mine"] = {
        "synthetic": False,
        "num_shards": 1,
        "class_list": "classes.pbtxt",
        "annotation_files": [],
        "subsets": subsets,
        "pretrained": {"start": {"checkpoint": "start.pth"}},
        "settings": {stage: {} for stage in PER_DATASET},
        **(change or {}),
    }
    raw["variants"] = {"mine": {"pretrained": "start"}}
    return Params({**raw, "dataset": "mine", **changes}, "params.yaml")
