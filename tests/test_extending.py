"""The worked examples of docs/extending.md apply, work, and touch as few places as they say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

TEXT = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^## ([^\n]*): (\d+) places?\n(.*?)^```diff\n(.*?)^```$", re.M | re.S)
EXAMPLES = {name: (int(places), diff) for name, places, _, diff in EXAMPLE.findall(TEXT)}
COPIED = ("pipeline", "workflow", "params.yaml", "dvc.yaml", "Snakefile", "pyproject.toml", "tests")

SETTINGS = """
from pathlib import Path
from ruamel.yaml import YAML
from pipeline.settings.params import Params
raw = YAML(typ="safe", pure=True).load(Path("params.yaml").read_text())
def train(dataset="demo", **changes):
    raw["variants"]["new"] = {"pretrained": "k700", **changes}
    return Params(raw, "params.yaml", dataset).train("new")
"""
TORCH = "import torch\ntorch.manual_seed(0)\n"
USES = {  # what each example must make possible, run in a copy that has it
    "A variant": """
from pipeline.settings.params import load_params
settings = load_params(Path("params.yaml")).train("wide_dropout")
assert (settings.dropout, settings.context, settings.temporal_pool) == (0.7, True, "mean")
""",
    "A loss": """
import math
loss = train(loss={"name": "smoothed", "share": 0.5}).loss
assert str(loss) == "BCE, smoothed, share 0.5"
labels = torch.zeros(1, 81)
labels[0, 12] = 1
logits = torch.full((1, 81), math.log(3))  # p = 3/4; labels become 3/4 and 1/4
right = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
wrong = -0.25 * math.log(0.75) - 0.75 * math.log(0.25)
assert abs(loss(logits, labels).mean.item() - (right + 79 * wrong) / 80) < 1e-6
try:
    train(loss={"name": "smoothed", "share": 2.0})
except ValueError as error:
    assert "variants.new.loss.share: found 2.0" in str(error)
else:
    raise AssertionError("a share of 2 was accepted")
""",
    "A head": """
from pipeline.training.variants import detector_of
detector = detector_of(train(head="cosine"))
found = detector(torch.rand(1, 3, 4, 64, 64), torch.tensor([[0.0, 8, 8, 40, 40]]))
assert found.shape == (1, 81)
weight = detector.roi_head.bbox_head.fc_cls[1].weight
assert (found[0].abs() <= weight.norm(dim=1) + 1e-6).all()  # features of length one
""",
    "An augmentation": """
from pipeline.models.augmentations import drawn_colours, recolour
import numpy as np
base = [{"name": "scale", "short_side_px": [96, 96]}, {"name": "random_crop", "side_px": 96}]
kinds = train(augmentations=[*base, {"name": "grey", "probability": 1.0}]).augmentations
drawn = torch.tensor([drawn_colours(kinds, np.random.default_rng(0))])
clips = 255 * torch.rand(1, 2, 3, 4, 4)
grey = recolour(clips, kinds, drawn)
assert torch.allclose(grey[:, :, 0], grey[:, :, 2])
assert not torch.allclose(clips, grey)
""",
    "A backbone": """
raw["datasets"]["demo"]["pretrained"]["swin"] = {
    "backbone": "swin3d_t", "labels": [], "clips_per_label": 25
}
from pipeline.training.variants import detector_of
from pipeline.models.checkpoints import load_start
settings = train(pretrained="swin", backbone="swin3d_t", context=True)
params = Params(raw, "params.yaml")
assert str(params.pretraining("swin").backbone) == "Swin3D tiny"
assert str(params.train("k700_8x8").backbone) == "SlowOnly tiny"  # both in one study
detector = detector_of(settings).train()
start = {f"backbone.{name}": value for name, value in detector.backbone.state_dict().items()}
load_start(detector_of(settings), start, "start")
features = detector.backbone(torch.rand(1, 3, 4, 64, 96))
assert features.shape == (1, 768, 2, 2, 3)
logits = detector(torch.rand(1, 3, 4, 64, 96), torch.tensor([[0.0, 8, 8, 60, 60]]))
logits.sum().backward()
assert all(value.grad is not None for value in detector.backbone.parameters())
""",
    "A source of videos": """
import tempfile
from pipeline.sources.clip_files import WantedClip
subset = raw["datasets"]["demo"]["subsets"][0]
subset["sources"] = [{"kind": "paths", "list": "paths.txt"}]
source = Params(raw, "params.yaml").data.subsets[0].sources[0]
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "paths.txt").write_text("/far/away/one.mp4\\n/near/two.mkv\\n")
    opened = source.open(Path(folder))
    found = opened.find(WantedClip("two", "two", 3.0, 5.0, 0.0))
assert (found.source, found.suffix) == ("/near/two.mkv", ".mkv")
assert opened.find(WantedClip("three", "three", 0.0, 1.0, 0.0)) is None
""",
    "A column of the report": """
import inspect
from pipeline.report import table
assert 'Column("epochs"' in inspect.getsource(table.columns)
""",
    "A stage": """
from pipeline.core.source_code import code_versions
import subprocess, sys
assert any("stages/count_frames.py" in each for each in code_versions("count_frames"))
assert Params(raw, "params.yaml").count_frames.least == 0
planned = [sys.executable, "-m", "snakemake", "-n", "-p", "--", "data/demo/frame_counts.csv"]
done = subprocess.run(planned, check=True, capture_output=True, text=True)
assert "python -m pipeline.stages.count_frames" in done.stdout + done.stderr
command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"]
subprocess.run([*command, "tests/stages/test_count_frames.py"], check=True)
""",
}


def places(diff: str) -> int:
    """Return how many files a diff touches, or how many spots if it is one file."""
    files = re.split(r"^--- ", diff, flags=re.M)[1:]
    if len(files) > 1:
        return len(files)
    found = 0
    for change in re.findall(r"(?:^[+-].*\n)+", files[0].split("\n", 2)[2], re.M):
        lines = [line[1:].strip() for line in change.splitlines()]
        found += not all(line.startswith(("from ", "import ")) for line in lines if line)
    return found


def test_every_example_is_used() -> None:
    assert list(EXAMPLES) == list(USES)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("A variant", 1),
        ("A loss", 2),
        ("A head", 2),
        ("An augmentation", 2),
        ("A backbone", 2),
        ("A source of videos", 2),
        ("A column of the report", 1),
        ("A stage", 5),
    ],
)
def test_an_example_touches_as_few_places_as_it_says(name: str, most: int) -> None:
    said, diff = EXAMPLES[name]

    assert places(diff) == said == most


@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
def test_an_example_applies_and_works(name: str, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "reference")
    for each in COPIED:
        if (ROOT / each).is_dir():
            shutil.copytree(ROOT / each, tmp_path / each, ignore=ignored)
        else:
            shutil.copy(ROOT / each, tmp_path / each)
    _, diff = EXAMPLES[name]

    subprocess.run(["git", "apply", "-C1", "-"], input=diff, text=True, cwd=tmp_path, check=True)

    script = SETTINGS + TORCH + USES[name]
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    check = [sys.executable, "-m", "ruff", "check", "--no-cache", "pipeline"]
    subprocess.run(check, cwd=tmp_path, check=True)
