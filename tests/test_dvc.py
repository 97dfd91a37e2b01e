"""dvc.yaml and the Snakemake rules say the same: commands, inputs, outputs."""

import re
import subprocess
import sys
from collections import defaultdict

import pytest
from dvc.repo import Repo

from pipeline.settings.params import load_params
from pipeline.settings.sections import STAGES
from tests.conftest import ROOT
from tests.dag.project import stage_commands
from tests.small_dataset import read_yaml

PARAMS = load_params(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def rule_paths() -> dict[str, set[str]]:
    """Data paths named by each job's command, by DVC's name of the stage."""
    command = [sys.executable, "-m", "snakemake", "-n", "-F", "-p", "--cores", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = defaultdict(set)
    for words in stage_commands(done.stdout + done.stderr):
        stage = words[2].removeprefix("pipeline.stages.")
        if stage not in STAGES:  # `record` calls DVC itself
            continue
        if "--variant" in words:
            stage += "@" + words[words.index("--variant") + 1]
        paths[stage] |= {word for word in words if word.startswith(("data/", "results/"))}
    return paths


@pytest.fixture(scope="module")
def dvc_paths() -> dict[str, set[str]]:
    """Data paths that each DVC stage depends on or makes."""
    with Repo(str(ROOT)) as repo:
        return {
            stage.addressing: {
                path.def_path
                for path in [*stage.deps, *stage.outs]
                if path.def_path.startswith(("data/", "results/"))
            }
            for stage in repo.index.stages
        }


def related(path: str, others: set[str]) -> bool:
    """Whether a path is, contains or lies in one of the others."""
    return any(
        f"{other}/".startswith(f"{path}/") or f"{path}/".startswith(f"{other}/") for other in others
    )


def test_dvc_has_one_stage_per_rule_and_row(
    rule_paths: dict[str, set[str]], dvc_paths: dict[str, set[str]]
) -> None:
    assert set(dvc_paths) == set(rule_paths)


def test_every_path_of_a_command_is_known_to_dvc(
    rule_paths: dict[str, set[str]], dvc_paths: dict[str, set[str]]
) -> None:
    for stage, paths in rule_paths.items():
        unknown = {path for path in paths if not related(path, dvc_paths[stage])}
        assert not unknown, stage


def test_dvc_watches_nothing_that_a_command_does_not_name(
    rule_paths: dict[str, set[str]], dvc_paths: dict[str, set[str]]
) -> None:
    for stage, paths in dvc_paths.items():
        # Beside what they name, commands write files next to each other; those share the folder.
        folders = rule_paths[stage] | {path.rpartition("/")[0] for path in rule_paths[stage]}
        assert not {path for path in paths if not related(path, folders)}, stage


def test_every_dvc_command_runs_its_own_rule_only() -> None:
    stages = read_yaml((ROOT / "dvc.yaml").read_text())["stages"]

    assert set(stages) == set(STAGES)
    for name, stage in stages.items():
        allowed = re.search(r"--allowed-rules (.*?) -- ", stage.get("do", stage)["cmd"])
        assert allowed is not None
        rules = set(allowed[1].split())
        assert name in rules
        assert not {rule for rule in rules - {name} if rule in STAGES}
