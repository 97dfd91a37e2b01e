"""A copy of the project in a folder of its own, with a world small enough to build in a minute."""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.small_dataset import read_settings, write_settings

VARIANTS = ("k400_4x16", "more_frames")
PYTHON = str(Path(sys.executable).parent)


class Project:
    """The project below `folder`, as a user would have it after `git clone`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, names.decode().split("\0")):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_file():
                target.write_bytes((ROOT / name).read_bytes())
                target.chmod((ROOT / name).stat().st_mode)
        self.edit_params(cut_down)
        self.run("git", "init", "--quiet")
        self.run("git", "add", ".")
        self.run(
            *("git", "-c", "user.name=Test", "-c", "user.email=test@example.org"),
            *("commit", "--quiet", "--message", "start"),
        )

    def edit_params(self, change: Any) -> None:
        path = self.folder / "params.yaml"
        params = read_settings(path)
        change(params)
        write_settings(path, params)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, (file, old)
        path.write_text(text.replace(old, new))

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command in the project, with the tests' own environment's programs first."""
        environment = {**os.environ, "PATH": f"{PYTHON}:{os.environ['PATH']}"}
        environment.pop("DVC_ROOT", None)
        environment.pop("MLFLOW_TRACKING_URI", None)  # each project has its own store
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, *command: str) -> str:
        """Run a command to its end and return what it printed; a failure shows all of that."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, f"{' '.join(command)}\n{output[-6000:]}"
        return output

    def snakemake(self, *arguments: str) -> str:
        return self.run("snakemake", "--cores", "2", *arguments)

    def planned(self) -> set[str]:
        """The jobs that Snakemake would run now, as "rule" or "rule variant"."""
        output = self.snakemake("--dry-run", "--printshellcmds")
        if "Nothing to be done" in output:
            return set()
        jobs = set()
        for words in stage_commands(output):
            variant = words[words.index("--variant") + 1] if "--variant" in words else ""
            jobs.add(f"{words[2].rpartition('.')[2]} {variant}".strip())
        return jobs

    def stale(self) -> set[str]:
        """The stages that DVC says have changed."""
        return set(json.loads(self.run("dvc", "status", "--json")) or {})

    def hashes(self, *patterns: str) -> dict[str, str]:
        """sha256 of the files below the project that match; at least one must."""
        found = {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for pattern in patterns
            for path in sorted(self.folder.glob(pattern))
            if path.is_file()
        }
        assert found, patterns
        return found

    def metrics(self, dataset: str = "demo") -> dict[str, Any]:
        path = self.folder / "results" / dataset / "metrics.json"
        loaded: dict[str, Any] = json.loads(path.read_text())
        return loaded


def stage_commands(printed: str) -> list[list[str]]:
    """Return the words of each stage's command in what `snakemake --printshellcmds` printed."""
    lines = re.findall(r"python -m pipeline\.stages\..*", printed.replace("\\\n", " "))
    return [shlex.split(line.partition(" > ")[0]) for line in lines]


def cut_down(params: dict[str, Any]) -> None:
    """Two rows on five short videos, two shards, two epochs."""
    params["draw_world"].update(
        ava_train_videos=3,
        ava_val_videos=2,
        ava_seconds=8,
        kinetics_train_clips=16,
        kinetics_val_clips=4,
        kinetics_seconds=3,
    )
    demo = params["datasets"]["demo"]
    demo["num_shards"] = 2
    for subset in demo["subsets"]:
        if "span_seconds" in subset:
            subset["span_seconds"] = [4, 12]
    # Clips that the archives of the last subset lack have a second source: a second download pass.
    demo["subsets"][-1]["sources"] += demo["subsets"][0]["sources"]
    del demo["pretrained"]["k400_8x8"]  # no row of ours starts from it
    for pretrained in demo["pretrained"].values():
        pretrained["clips_per_label"] = 1
    small = {
        "augmentations": [
            {"name": "scale", "short_side_px": [64, 80]},
            {"name": "random_crop", "side_px": 64},
            "flip",
        ],
        "test_short_side_px": 64,
        "batch_size": 4,
    }
    demo["settings"]["pretrain"].update(small, epochs=2)
    demo["settings"]["train"].update(small, epochs=2, validate_every=1)
    params["variants"] = {name: params["variants"][name] for name in VARIANTS}
    params["evaluate"]["bootstrap_resamples"] = 50
