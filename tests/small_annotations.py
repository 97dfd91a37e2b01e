"""A dataset of a few annotation rows: AVA-like and Kinetics-like parts, with their quirks."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.settings.params import Params
from tests.small_dataset import read_settings

# 0902 and 902.0 are the same second; 0907 is excluded; -a has a second without people.
AVA = """\
-a,0902,0.25,0.25,0.75,0.75,12,1
-a,0902,0.25,0.25,0.75,0.75,80,1
-a,902.0,0.5,0.5,1.0,1.0,12,2
-a,0903
-a,0907,0.25,0.25,0.75,0.75,12,1"""
# Fractional seconds, the last second of a clip, a video that is in no list, no person ids.
KINETICS = """\
kkk,14.016000,0.25,0.25,0.75,0.75,12
kkk,22.000000,0.25,0.25,0.75,0.75,17
lost,5.016949
"""
VAL = "v-v,0902,0.25,0.25,0.75,0.75,12,1\n"
CLIP_LIST = """\
label,youtube_id,time_start,time_end,split
waving,kkk,12,22,train
waving,other,0,10,train
running,runner,0,4,train
"""
AVA_PROPOSALS = "-a,902,0.25,0.25,0.75,0.75,0.5\n-a,902,0.0,0.0,1.0,1.0,0.75\n"


def write_raw(folder: Path) -> None:
    """Write the raw annotations that `small_params` names."""
    folder.mkdir(parents=True)
    for name, text in {
        "ava.csv": AVA,
        "excluded.csv": "-a,0907\n",
        "kinetics.csv": KINETICS,
        "val.csv": VAL,
        "list.csv": CLIP_LIST,
        "files.txt": "-a.mkv\n",
        "ava_boxes.csv": AVA_PROPOSALS,
        "kinetics_boxes.csv": "kkk,22,0.25,0.25,0.75,0.5,0.5\n",
        "classes.pbtxt": 'item { name: "stand" id: 12 } item { name: "watch" id: 80 }',
        "val_boxes.csv": "v-v,902,0.25,0.25,0.75,0.75,0.5\n",
    }.items():
        (folder / name).write_text(text)


def small_params(detector: dict[str, Any] | None = None, **changes: Any) -> Params:
    """Settings whose dataset is the one of `write_raw`; `changes` go to its Kinetics part.

    Args:
        detector: settings of `detect_people` that differ.
    """
    raw = read_settings()
    raw["detect_people"] |= detector or {}
    files = [{"kind": "files", "list": "files.txt", "url": "{mirror}/ava"}]
    ava = {"span_seconds": [900, 910], "sources": files}
    kinetics = {
        "name": "kinetics",
        "split": "train",
        "ground_truth": "kinetics.csv",
        "proposals": "kinetics_boxes.csv",
        "clip_list": "list.csv",
        "sources": [{"kind": "archives", "list": "paths.txt"}],
    }
    dataset = raw["datasets"][raw["dataset"]]
    dataset["num_shards"] = 2
    dataset["class_list"] = "classes.pbtxt"
    dataset["subsets"] = [
        {"name": "ava", "split": "train", "ground_truth": "ava.csv", "excluded": "excluded.csv"}
        | {"proposals": "ava_boxes.csv"}
        | ava,
        {"name": "val", "split": "val_ava", "ground_truth": "val.csv", "proposals": "val_boxes.csv"}
        | ava,
        kinetics | changes,
    ]
    for pretrained in dataset["pretrained"].values():
        pretrained |= {"labels": ["running"], "clips_per_label": 1}
    return Params(raw, "params.yaml")


def write_index(path: Path, frames: dict[str, int], width: int = 8, height: int = 6) -> None:
    """Write a frame store's index: frames 1..n of each clip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(clip, n) for clip, last in sorted(frames.items()) for n in range(1, last + 1)]
    columns = {
        "clip": pa.array([clip for clip, _ in rows], pa.string()),
        "frame": pa.array([n for _, n in rows], pa.int32()),
        "offset": pa.array([0] * len(rows), pa.int64()),
        "length": pa.array([1] * len(rows), pa.int32()),
        "width": pa.array([width] * len(rows), pa.int32()),
        "height": pa.array([height] * len(rows), pa.int32()),
    }
    pq.write_table(pa.table(columns), path)
