"""More than two hundred wrong settings files: each is refused with its name and the key.

Each is params.yaml with one value changed as a text, so that what YAML makes of it counts, too.
"""

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node

from pipeline.settings.params import Params, load_params
from tests.conftest import ROOT
from tests.small_dataset import read_settings, read_yaml

RAW = read_settings()
TEXT = (ROOT / "params.yaml").read_text()
MOST_SECONDS = 2.0  # of CPU time
HUGE = "1" + "0" * 30
CROP = "{name: random_crop, side_px: 224}"
SCALE = "{name: scale, short_side_px: [256, 320]}"
KEPT = "labels: [], clips_per_label: 2"

# Key to values that it must not have. A key that the file does not have is a misspelt one.
WRONG = {
    # At the top and in the sections of stages.
    "trian": "{}",
    "Train": "{}",
    "seed": "0",
    "dataset": "demoo | null | 1 | Demo | [demo] | {}",
    "draw_world": "null | []",
    "draw_world.sede": "1",
    "draw_world.seed": f"{HUGE} | -1 | 0.5 | '700' | true",
    "draw_world.ava_seconds": "3 | 12.0",
    "download_annotations.timeout_seconds": "0 | -30.0 | .inf | .nan | '30' | 30s | 1e400",
    "download_annotations.attempts": "0 | 6.5",
    "download.conections": "4",
    "download.connections": "0 | four",
    "download.youtube": "null | cookies.txt",
    "download.youtube.cookie": "null",
    "download.youtube.cookies": "3",
    "download.youtube.sleep_seconds": "-1.0 | .inf",
    "list_clips.frames_befor": "4",
    "list_clips.frames_before": "-1 | 39 | forty",
    "list_clips.frames_after": "28 | null",
    "list_clips.pretrain_frames": "0 | 56",
    "extract_frames.short_side_px": f"{HUGE} | 0 | 320px",
    "extract_frames.jpeg_quality": "0 | 101 | 85%",
    "detect_people.weights": "3 | null",
    "detect_people.sha256": "dd69338a | 0",
    "detect_people.min_score": "1.1 | 0,7",
    "detect_people.fill_gaps": "'false' | 0 | no",
    "evaluate.min_score": "2 | .inf",
    "evaluate.bootstrap_resamples": "-1 | 1e3",
    "evaluate.precision": "float16 | 32",
    "evaluate.checkpoint": "newest | Best",
    "report.gallery_keyframes": "-1 | six",
    "report.published": "null | [24.53] | {k700_8x8: .inf} | {1: 2.0}",
    # In sections whose values a dataset or all variants override.
    "pretrain.learning_rte": "0.1",
    "pretrain.context": "false",
    "pretrain.backbone": "resnet | slowonly_r5 | null | {} | {name: slowonly_r50, depth: 50}",
    "pretrain.sampling": "8by8 | 8 | 0x8 | 100x1 | null",
    "pretrain.epochs": f"{HUGE} | ten | 0 | 150.0 | .inf",
    "pretrain.optimizer": "adam | SGD",
    "pretrain.learning_rate": "0 | -0.1 | .nan | 1e400",
    "pretrain.warmup_epochs": "-1 | 150",
    "pretrain.dropout": "1.0 | 0,5",
    "pretrain.momentum": "1.1",
    "pretrain.clip_norm": "0 | .inf",
    "pretrain.augmentations": " | ".join(
        [
            "[]",
            f"[flip, {SCALE}]",
            f"[{SCALE}, {CROP}, flop]",
            f"[{SCALE}, {CROP}, {{name: flip, probability: 1.5}}]",
            f"[{SCALE}, {CROP}, {{name: flip, probabilty: 0.5}}]",
            f"[{SCALE}, {{name: random_crop, side_px: 0}}]",
            f"[{{name: scale, short_side_px: [320, 256]}}, {CROP}]",
            f"[{{name: scale, short_side_px: [96, 112]}}, {CROP}]",
            f"[{{name: scale, short_side_px: [256, .inf]}}, {CROP}]",
            "[scale, random_crop]",
        ]
    ),
    "train": "null | 3",
    "train.epoch": "3",
    "train.batch-size": "4",
    "train.epochs": "ten | -1 | 1.5",
    "train.weight_decay": "-0.0001 | none",
    "train.warmup_epochs": "10",
    "train.context": "1 | yes",
    "train.temporal_pool": "Max",
    "train.head": "mpl | null",
    "train.loss": "bse | {name: focal, gamma: -1}",
    "train.min_proposal_score": "90 | .nan",
    "train.validate_every": "-1 | 0.5",
    # In a dataset.
    "datasets": "null | []",
    "datasets.demo.num_shard": "4",
    "datasets.demo.num_shards": "four | 0 | -4 | 4.0 | '4' | true | 1e3 | .inf"
    f" | 1000000000 | {HUGE} | -{HUGE}",
    "datasets.demo.synthetic": "'true' | 1 | on",
    "datasets.demo.class_list": "3 | [a.pbtxt]",
    "datasets.demo.subsets": "[] | {} | [train]",
    "datasets.demo.subsets.0.grounds_truth": "a.csv",
    "datasets.demo.subsets.0.name": "Ava | ava train | ../ava | '$(id)'",
    "datasets.demo.subsets.0.split": "test | val-ava",
    "datasets.demo.subsets.0.span_seconds": "[16, 4] | [-1, 4] | [4] | 4 | [4, .inf]",
    "datasets.demo.subsets.2.span_seconds": "[4, 16]",
    "datasets.demo.subsets.0.sources": "[]",
    "datasets.demo.subsets.0.sources.0": "{kind: ftp, url: x} | {list: a} | {kind: folder, url: x}"
    " | {kind: folder, path: x, trimed: true} | {kind: youtube, url: 'https://x.org'}"
    " | {kind: archives, list: a, keep: all} | null",
    "datasets.demo.annotation_files.0": "{uri: x} | {url: x, sha256: abc} | {url: x, sha256: 123}"
    " | {} | x | {url: 3}",
    "datasets.demo.pretrained": "{} | [k700]",
    "datasets.demo.pretrained.k700": f"{{labels: []}} | {{clips_per_label: 2}} | null | {{}}"
    f" | {{{KEPT}, checkpoint: a.pth}} | {{{KEPT}, backbone: resnet}} | {{{KEPT}, label: a}}"
    " | {labels: all, clips_per_label: 2} | {labels: [], clips_per_label: 0}",
    # Where a dataset or a variant overrides.
    "datasets.demo.settings": "null | [] | {}",
    "datasets.demo.settings.trian": "{}",
    "datasets.demo.settings.train": "null | 3",
    "datasets.demo.settings.train.epoch": "3",
    "datasets.demo.settings.train.epochs": "three | -3 | 3.0",
    "datasets.demo.settings.train.learning_rate": "-0.004 | .inf",
    "datasets.demo.settings.train.warmup_epochs": "3",
    "datasets.demo.settings.pretrain.dropot": "0.1",
    "datasets.demo.settings.pretrain.backbone": "slowonly_tny",
    "datasets.demo.settings.extract_frames.short_side_px": "0",
    "datasets.demo.settings.list_clips.frames_before": "-1",
    # In a dataset that is not built now.
    "datasets.ava_kinetics.num_shards": "0 | many | 1000000000",
    "datasets.ava_kinetics.class_lists": "a.pbtxt",
    "datasets.ava_kinetics.annotation_files.1": "{url: null} | {url: x, sha256: ABCDEF}",
    "datasets.ava_kinetics.pretrained.k700": "{checkpoint: 3} | {checkpoint: null}"
    " | {checkpoint: a.pth, sha256: e7b65fad} | {checkpoint: a.pth, backbone: slowonly_r5}",
    "datasets.ava_kinetics.settings.download": "{}",
    "datasets.ava_kinetics.settings.train.worker": "8",
    "datasets.ava_kinetics.settings.train.workers": "-8 | all | 8.0",
    "datasets.ava_kinetics.settings.evaluate.batch_size": "-8",
    "variants": "null | [] | focal",
    "variants.focal": "[] | 3 | 2026-12-01 | {} | {context: true}",
    "variants.focal.gama": "2.0",
    "variants.focal.pretrain": "k700",
    "variants.focal.evaluate": "{batch_size: 2}",
    "variants.focal.pretrained": "k70 | null | 3",
    "variants.focal.sampling": "4by16 | 16x16 | 4",
    "variants.focal.epochs": "ten | -3 | 1e400 | 2.5",
    "variants.focal.learning_rate": "0 | -.inf | fast",
    "variants.focal.backbone": "slowonly_r50 | wide",
    "variants.focal.head": "mpl | {} | [mlp] | {name: [mlp]} | {name: mlp, hidden: 2}",
    "variants.focal.loss": "focl | {name: focal, gama: 2.0} | {name: focal, gamma: two}"
    " | {name: focal, gamma: .nan} | {name: focal, gamma: 1e400} | {name: bce, gamma: 1.0} | true",
}
CASES = [(key, value) for key, values in WRONG.items() for value in values.split(" | ")]

# As they stand in the file. YAML makes numbers, dates and the like of the first ones.
NAMES = [
    "1",
    "1.5",
    "true",
    "null",
    "2026-12-01",
    "lr0.1",
    "a b",
    '"a\'b"',
    '"a\\nb"',
    "a;b",
    "a/b",
]
NAMES += ["''", "..", "-x", "_x", "7up", "a+b", "ä", "'{x}'", "$(id)"]


def bomb(first: str, start: str, end: str) -> str:
    """Return values each of which uses the one before ten times."""
    uses = (f"a{n}: &a{n} {start}{', '.join([f'*a{n - 1}'] * 10)}{end}\n" for n in range(1, 9))
    return f"a0: &a0 {first}\n{''.join(uses)}"


# What is no settings file at all, as what follows params.yaml.
ENDS = {
    "---\ndataset: demo\n": "another document",
    "x: [1, 2\n": r"expected ',' or '\]'",
    "x: 'a\n": "unexpected end",
    "x: *b\n": "undefined alias 'b'",
    "x: &x [*x]\n": "over 100,000 values",  # a list inside itself
    "x: &x {<<: *x}\n": "over 100,000 values",
    "x: {<<: 3}\n": "for merging",
    "dataset: demo\n": 'duplicate key "dataset"',
    "x: !!python/object/apply:os.system [id]\n": "constructor",
    bomb("[1]", "[", "]"): "over 100,000 values",
    bomb("{b: 1}", "{<<: [", "]}"): "over 100,000 values",
    "x: " + "[" * 1500 + "]" * 1500: "too many values inside values",
    "".join(f"key{n}: 1\n" for n in range(20_000)): "bytes, expected at most",
    "x: 2001-99-99\n": "month must be",
    "x: " + "9" * 5000 + "\n": "digits",
    "? {a: 1}\n: 2\n": "unhashable key",
    "null: 3\n": "unknown key",
    "2026-12-01: 3\n": "unknown key",
}


@cache
def tree() -> Node:
    node: Node = YAML(typ="safe", pure=True).compose(TEXT)
    return node


def changed(keys: Sequence[str], value: str) -> str:
    """Return params.yaml with another value, or with one more key."""
    *owners, last = keys
    node = tree()
    for key in owners:
        node = children(node)[key]
    if last in (values := children(node)):
        start, end = values[last].start_mark.index, values[last].end_mark.index
        blanks = TEXT[start:end][len(TEXT[start:end].rstrip()) :]  # before what follows a block
        return TEXT[:start] + value + blanks + TEXT[end:]
    if node.flow_style:
        start, after = node.start_mark.index + 1, ", "
    else:
        first = node.value[0][0].start_mark
        start, after = first.index, "\n" + " " * first.column
    return f"{TEXT[:start]}{last}: {value}{after}{TEXT[start:]}"


def children(node: Node) -> dict[str, Node]:
    if isinstance(node, MappingNode):
        return {key.value: value for key, value in node.value}
    return {str(number): item for number, item in enumerate(node.value)}


def refused(path: Path, text: str) -> list[str]:
    """Return the lines that refuse a file, each of which names it, within the time allowed."""
    path.write_text(text)
    start = process_time()
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: ") as caught:
        load_params(path)
    assert process_time() - start < MOST_SECONDS
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return lines


@pytest.mark.parametrize(("key", "value"), CASES)
def test_a_wrong_setting_is_refused_by_its_key(tmp_path: Path, key: str, value: str) -> None:
    *owners, last = key.split(".")

    lines = refused(tmp_path / "params.yaml", changed([*owners, last], value))

    assert any(".".join(owners) in line and last in line for line in lines), lines
    assert all(": line " in line for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_a_strange_name_is_refused(tmp_path: Path, name: str) -> None:
    text = changed(["variants", name], "{pretrained: k700}")

    lines = refused(tmp_path / "params.yaml", text)

    found = read_yaml(name)
    shown = repr(found) if isinstance(found, str) else ""
    assert any(f"variants: found the name {shown}" in line for line in lines), lines


@pytest.mark.parametrize("end", ENDS)
def test_what_is_no_settings_file_is_refused(tmp_path: Path, end: str) -> None:
    lines = refused(tmp_path / "params.yaml", TEXT + end)

    assert re.search(ENDS[end], lines[0])


def leaves(value: Any, *keys: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yield the keys of every value that is no mapping and no list."""
    if not isinstance(value, dict | list):
        yield keys
        return
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(each, *keys, key)


@pytest.mark.parametrize("keys", list(leaves(RAW)), ids=lambda keys: ".".join(map(str, keys)))
def test_no_value_of_the_file_is_unchecked(keys: tuple[str | int, ...]) -> None:
    raw = inside = deepcopy(RAW)
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = float("nan")  # which no setting takes
    named = [key for key in keys if isinstance(key, str) and key not in ("name", "kind")][-1]

    with pytest.raises(ValueError, match=rf"\b{named}\b.*: .*\bnan\b"):
        Params(raw, "params.yaml")
