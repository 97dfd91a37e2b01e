"""Datasets of a few seconds for tests: the project's own settings, cut down, and files to match.

Settings are always derived from params.yaml, so that a new key needs no edit in any test.
"""

import csv
import io
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.conftest import ROOT
from tests.counter_videos import write_video
from tests.stage_runner import StageRunner

Settings = dict[str, Any]
VIDEOS = {"a": ["one", "two", "three"], "b": ["four", "five"]}  # of each subset
ARCHIVED = ("three", "five")
NUM_FRAMES = 180  # of each video, 30 a second
SECONDS = (1, 2, 3, 4)
STAGES = (
    "download_annotations",
    "list_clips",
    "download",
    "download_2",
    "cut_clips",
    "extract_frames",
    "detect_people",
    "merge_annotations",
)


def read_settings(path: Path = ROOT / "params.yaml") -> Settings:
    """Return the content of a settings file: the project's own, if no other is named."""
    settings: Settings = read_yaml(path.read_text())
    return settings


def read_yaml(text: str) -> Any:
    """Return what a YAML text says."""
    return YAML(typ="safe", pure=True).load(text)


def write_settings(path: Path, settings: Settings) -> Path:
    """Write a settings file, with the keys in their order; return its path."""
    text = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 1000
    writer.sort_base_mapping_type_on_output = False
    writer.dump(settings, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue())
    return path


def with_dataset(name: str = "tiny", **changes: object) -> Settings:
    """Return the project's settings with one more dataset, which is to be built: the demo, changed.

    Its trainings start from published checkpoints that are nowhere, unless `pretrained` is changed.
    """
    settings = read_settings()
    demo = settings["datasets"]["demo"]
    nowhere = {start: {"checkpoint": "/none.pth"} for start in demo["pretrained"]}
    settings["dataset"] = name
    settings["datasets"][name] = {**demo, "pretrained": nowhere, **changes}
    return settings


class SmallDataset:
    """A few real videos on a mirror, annotated, and the command of each data stage that reads them.

    Stages can run with their outputs in any folder: on a small disk, or where they are killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mirror, self.published = folder / "mirror", folder / "published"
        self.mirror.mkdir(parents=True)
        self.published.mkdir()
        for names in VIDEOS.values():
            for name in names:
                write_video(self.mirror / f"{name}.mp4", "30", NUM_FRAMES)
        with tarfile.open(self.mirror / "0.tar.gz", "w:gz") as archive:
            for name in ARCHIVED:
                content = (self.mirror / f"{name}.mp4").read_bytes()
                member = tarfile.TarInfo(f"{name}.mp4")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
                (self.mirror / f"{name}.mp4").unlink()
        self._write_annotations()
        self.params = write_settings(folder / "params.yaml", self._settings())

    def _write_annotations(self) -> None:
        texts = {"classes.pbtxt": 'item { name: "stand" id: 12 }', "paths.txt": ""}
        texts["paths.txt"] = "{mirror}/0.tar.gz\n"
        listed = [name for names in VIDEOS.values() for name in names if name not in ARCHIVED]
        texts["names.txt"] = "".join(f"{name}.mp4\n" for name in listed)
        for subset, names in VIDEOS.items():
            rows = [(name, f"{second:04d}") for name in names for second in SECONDS]
            texts[f"{subset}.csv"] = _lines((*row, 0.1, 0.2, 0.5, 0.7, 12, 1) for row in rows)
            texts[f"{subset}_people.csv"] = _lines((*row, 0.1, 0.2, 0.5, 0.7, 0.9) for row in rows)
        for name, text in texts.items():
            (self.published / name).write_text(text)
        # Something of size, so that a small disk is too small for the annotations as well.
        (self.published / "notes.txt").write_text("".join(f"{n}\n" for n in range(8_000)))

    def _settings(self) -> Settings:
        sources = [
            {"kind": "files", "list": "names.txt", "url": "{mirror}"},
            {"kind": "archives", "list": "paths.txt"},
        ]
        subsets = [
            {"name": subset, "split": split, "ground_truth": f"{subset}.csv"}
            | {"sources": sources, "proposals": f"{subset}_people.csv"}
            for subset, split in (("a", "train"), ("b", "val_ava"))
        ]
        return with_dataset(
            num_shards=1,
            class_list="classes.pbtxt",
            annotation_files=[{"url": str(path)} for path in sorted(self.published.iterdir())],
            subsets=subsets,
        )

    def build(self, folder: Path, runner: StageRunner) -> None:
        """Run all stages, undisturbed."""
        for stage in STAGES:
            if stage == "merge_annotations":
                self.run("detect_people", folder, folder, runner, split="val_ava")
            self.run(stage, folder, folder, runner)

    def run(
        self, stage: str, read: Path, write: Path, runner: StageRunner, split: str = "train"
    ) -> None:
        """Run a stage to its end."""
        log = self.folder / "log.txt"
        code = runner.run(self.command(stage, read, write, split), log)
        assert code == 0, log.read_text()[-2000:]

    def command(self, stage: str, read: Path, write: Path, split: str = "train") -> list[str]:
        """The stage's command line; `download_2` is the download of the second pass.

        Args:
            read: folder of what earlier stages left.
            write: folder for what this one makes.
            split: whose persons are detected.
        """
        own = {
            "download_annotations": {"mirror": self.mirror, "raw": write / "raw"},
            "list_clips": {"raw": read / "raw", "clips": write / "clips.csv"},
            "download": {"clips": read / "clips.csv", "raw": read / "raw", "job": "00"}
            | {"videos": write / "videos/00", "report": write / "videos/00.csv"}
            | {"mirror": self.mirror, "earlier": read / "videos"},
            "download_2": {"clips": read / "clips.csv", "raw": read / "raw", "job": "00_2"}
            | {"videos": write / "videos/00_2", "report": write / "videos/00_2.csv"}
            | {"mirror": self.mirror, "earlier": read / "videos"},
            "cut_clips": {"clips": read / "clips.csv", "shard": "00"}
            | {"videos": [read / "videos/00", read / "videos/00_2"]}
            | {"downloaded": [read / "videos/00.csv", read / "videos/00_2.csv"]}
            | {"cut": write / "clips/00", "report": write / "clips/00.csv"},
            "extract_frames": {"clips": read / "clips.csv", "cut": read / "clips/00"}
            | {"cut-report": read / "clips/00.csv", "tar": write / "frames/00.tar"}
            | {"index": write / "frames/00.parquet", "report": write / "frames/00.csv"},
            "detect_people": {"raw": read / "raw", "frames": read / "frames"}
            | {"clips": read / "clips.csv", "split": split}
            | {"proposals": write / "proposals" / f"{split}.parquet"},
            "merge_annotations": {"raw": read / "raw", "clips": read / "clips.csv"}
            | {"videos": read / "videos", "cut": read / "clips", "frames": read / "frames"}
            | {"proposals": read / "proposals", "index": write / "index"}
            | {"coverage": write / "coverage.csv"},
        }
        flags: dict[str, object] = {"params": self.params, **own[stage]}
        words: list[str] = []
        for flag, value in flags.items():
            words += [f"--{flag}", *map(str, value if isinstance(value, list) else [value])]
        return [sys.executable, "-m", f"pipeline.stages.{stage.removesuffix('_2')}", *words]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    paths = [Path(base) / name for base, _, names in os.walk(folder) for name in names]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(paths)}


def _lines(rows: Iterator[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
