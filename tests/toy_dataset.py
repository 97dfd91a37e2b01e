"""A dataset of a few tiny keyframes on disk: all that training and evaluation read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.annotations.index_schema import INDEX_SCHEMA
from pipeline.clips import COLUMNS, write_clips
from pipeline.video.frame_store import FrameStoreWriter
from pipeline.video.jpeg import encode_rgb
from tests.small_dataset import read_settings, write_settings

ROOT = Path(__file__).resolve().parents[1]
NUM_FRAMES = 60
SIZES = {"clip_a": (48, 36), "clip_b": (36, 48), "clip_c": (48, 36)}  # width, height
Splits = Mapping[str, list[str]]
SPLITS = {
    "train": ["clip_a", "clip_b"],
    "val_ava": ["clip_b", "clip_c"],
    "val_kinetics": ["clip_a", "clip_b"],
}
SMALL = {
    "epochs": 2,
    "batch_size": 2,
    "micro_batch_size": 2,
    "warmup_epochs": 1,
    "augmentations": [
        {"name": "scale", "short_side_px": [32, 36]},
        {"name": "random_crop", "side_px": 32},
        "flip",
    ],
    "test_short_side_px": 32,
    "sampling": "4x16",
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "learning_rate_batch": 2,
    "save_every_minutes": 60.0,
}


def write_toy_dataset(
    folder: Path, train: Mapping[str, Any] | None = None, kinetics: bool = False
) -> None:
    """Write params.yaml, frames/, index/, raw/ and clips.csv below `folder`.

    Args:
        train: settings of training that differ from `SMALL`.
        kinetics: whether there is a second validation split, with one video of the first.
    """
    settings = {**SMALL, "validate_every": 1, **(train or {})}
    splits = {name: SPLITS[name] for name in list(SPLITS)[: 3 if kinetics else 2]}
    _write_params(folder / "params.yaml", settings, splits)
    write_toy_data(folder, splits)


def write_toy_data(folder: Path, splits: Splits = SPLITS) -> None:
    """All of it but params.yaml."""
    (folder / "frames").mkdir(parents=True)
    with FrameStoreWriter(folder / "frames/00.tar", folder / "frames/00.parquet") as writer:
        for clip, (width, height) in SIZES.items():
            for number in range(1, NUM_FRAMES + 1):
                writer.add(clip, number, _jpeg(clip, number, width, height), width, height)
    (folder / "index").mkdir()
    for split, clips in splits.items():
        rows = [_keyframe(clip, second) for clip in clips for second in (0.5, 1.0, 1.5)]
        table = pa.Table.from_pylist(rows, schema=INDEX_SCHEMA)
        pq.write_table(table, folder / "index" / f"{split}.parquet")
    _write_annotations(folder / "raw", splits)
    _write_clips(folder / "clips.csv")


def _write_params(path: Path, train: Mapping[str, Any], splits: Splits) -> None:
    values = read_settings()
    demo = values["datasets"]["demo"]
    use_toy_data(demo, splits)
    demo["pretrained"] = {"k700": {"labels": [], "clips_per_label": 2}}
    demo["settings"]["train"].update(train)
    demo["settings"]["pretrain"].update({k: v for k, v in train.items() if k in SMALL})
    demo["settings"]["evaluate"].update(batch_size=2, bootstrap_resamples=10)
    values["variants"] = {
        "plain": {"pretrained": "k700", "sampling": "4x16"},
        "full": {"pretrained": "k700", "context": True, "temporal_pool": "max", "head": "mlp"},
    }
    values["variants"]["full"]["loss"] = "focal"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_settings(path, values)


def use_toy_data(dataset: dict[str, Any], splits: Splits = SPLITS) -> None:
    """Have a dataset's section of params.yaml read the toy's annotations, one subset a split."""
    dataset["class_list"] = "classes.pbtxt"
    names = {"train": "ava_train", "val_ava": "ava_val", "val_kinetics": "kinetics_val"}
    kept = [
        subset
        for subset in dataset["subsets"]
        if subset["name"] in [names[split] for split in splits]
    ]
    for subset in kept:
        subset.update(ground_truth=f"{subset['split']}.csv", excluded=None)
    dataset["subsets"] = kept


def _jpeg(clip: str, number: int, width: int, height: int) -> bytes:
    """A square that moves to the right over grey, in the clip's own colour."""
    image = np.full((height, width, 3), 90, np.uint8)
    left = (number // 2) % (width - 10)
    image[10:20, left : left + 10] = [200, 40 * "abc".index(clip[-1]), 30]
    return encode_rgb(image, quality=90)


def _keyframe(clip: str, second: float) -> dict[str, Any]:
    width, height = SIZES[clip]
    box = [0.1, 0.2, 0.5, 0.7]
    return {
        "subset": "ava_train",
        "video_id": clip,
        "timestamp": second,
        "clip": clip,
        "shard": "00",
        "frame": round(30 * second),
        "last_frame": NUM_FRAMES,
        "width": width,
        "height": height,
        "boxes": [*box, 0.5, 0.2, 0.9, 0.7],
        "labels": [[12, 80], [14]],
        "proposals": [*box, 0.95, 0.5, 0.2, 0.9, 0.7, 0.91],
    }


def _write_annotations(raw: Path, splits: Mapping[str, list[str]]) -> None:
    raw.mkdir()
    names = {12: "stand", 14: "walk", 80: "watch"}
    items = [f'item {{\n  name: "{name}"\n  id: {action}\n}}\n' for action, name in names.items()]
    (raw / "classes.pbtxt").write_text("".join(items))
    for split, clips in splits.items():
        lines = [
            f"{clip},{second},{corners},{action},0\n"
            for clip in clips
            for second in (0.5, 1.0, 1.5)
            for corners, action in (("0.1,0.2,0.5,0.7", 12), ("0.5,0.2,0.9,0.7", 14))
        ]
        (raw / f"{split}.csv").write_text("".join(lines))


def _write_clips(path: Path) -> None:
    rows = [
        dict(
            zip(
                COLUMNS, ["p", "train", clip, clip, 0.0, 2.0, 0.0, label, "1-60", "00"], strict=True
            )
        )
        for clip, label in {"clip_a": "jogging", "clip_b": "squat", "clip_c": "jogging"}.items()
    ]
    write_clips(pd.DataFrame(rows).astype(COLUMNS), path)
