"""Which values are in force, where they come from, and the files that the settings name."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipeline.settings.named_files import missing_files
from pipeline.settings.origins import in_force, replaced, tell_replaced
from pipeline.settings.params import Params
from pipeline.settings.schema import schema_text
from tests.conftest import ROOT
from tests.small_dataset import read_settings


@pytest.fixture
def raw() -> dict[str, Any]:
    return read_settings()


def test_a_value_comes_from_variant_then_dataset_then_section(raw: dict[str, Any]) -> None:
    raw["variants"]["focal"]["epochs"] = 4
    params = Params(raw, "no file")

    found = {each.key: each for each in in_force(params, raw, "train", "focal")}

    assert found["epochs"] == ("epochs", 4, ("variants", "focal", "epochs"))
    assert found["learning_rate"].keys == ("datasets", "demo", "settings", "train", "learning_rate")
    assert found["momentum"] == ("momentum", 0.9, ("train", "momentum"))


def test_a_key_that_the_file_does_not_name_has_its_default(raw: dict[str, Any]) -> None:
    params = Params(raw, "no file")
    pretrained = {**raw["variants"]["focal"]}.pop("pretrained")

    found = {each.key: each for each in in_force(params, raw, "train", "focal")}

    assert found["pretrained"].value == pretrained
    assert in_force(params, raw, "cut_clips") == []


def test_replaced_values_are_named(raw: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    raw["datasets"]["ava_kinetics"]["settings"]["train"]["epochs"] = 9
    for values in raw["variants"].values():
        values["seed"] = 1

    tell_replaced(Params(raw, "no file"), raw)

    first, second = capsys.readouterr().err.splitlines()
    assert first == "WARNING params.yaml: no effect on any dataset: train.epochs, train.seed"
    assert second.startswith("params.yaml: demo has its own values for ")
    assert "train.momentum" not in replaced(raw, "demo")
    assert "train.epochs" in replaced(raw, "demo")


def test_no_value_of_the_file_is_without_effect(raw: dict[str, Any]) -> None:
    both = [set(replaced(raw, dataset)) for dataset in ("demo", "ava_kinetics")]

    assert both[0] & both[1] == set()


def test_files_that_are_named_must_be_there(raw: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "here.csv").touch()
    demo = raw["datasets"]["demo"]
    demo["annotation_files"] += [{"url": str(tmp_path / "here.csv")}, {"url": "gone.csv"}]
    demo["pretrained"]["k700"] = {"checkpoint": "gone.pth"}
    demo["subsets"][0]["sources"] = [{"kind": "folder", "path": "gone"}]
    demo["subsets"][1]["proposals"] = "detect"
    raw["detect_people"]["weights"] = "gone_too.pth"
    raw["download"]["youtube"]["cookies"] = "cookies.txt"

    found = [str(mistake) for mistake in missing_files(Params(raw, "no file"))]

    assert [line.partition(": ")[0] for line in found] == [
        "datasets.demo.annotation_files.12.url",
        "datasets.demo.pretrained.k700.checkpoint",
        "datasets.demo.subsets.0.sources.0.path",
        "detect_people.weights",
        "download.youtube.cookies",
    ]
    assert found[0].endswith("found no file 'gone.csv', expected one")


def test_the_settings_in_force_are_printed_with_their_lines() -> None:
    shown = settings("focal")

    lines = {line.split()[0]: line for line in shown.stdout.splitlines()}
    text = (ROOT / "params.yaml").read_text().splitlines()
    number = 1 + next(n for n, line in enumerate(text) if line.startswith("  focal: {"))
    assert lines["train.loss"].split() == [
        "train.loss",
        "focal",
        "line",
        str(number),
        "(variants.focal)",
    ]
    assert "(datasets.demo.settings.train)" in lines["train.epochs"]


def test_an_unknown_variant_is_one_line_and_exit_code_2() -> None:
    shown = settings("fokal")

    assert (shown.returncode, shown.stdout) == (2, "")
    assert "variants: found no 'fokal', expected one of" in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_the_schema_in_the_repository_is_that_of_the_code() -> None:
    path = ROOT / "pipeline/settings/params.schema.json"

    assert path.read_text(encoding="utf-8") == schema_text()
    assert json.loads(schema_text())["properties"]["variants"]["additionalProperties"]
    assert (
        (ROOT / "params.yaml")
        .read_text()
        .startswith("# yaml-language-server: $schema=pipeline/settings/params.schema.json\n")
    )


def test_the_schema_takes_the_file_and_refuses_its_mistakes(raw: dict[str, Any]) -> None:
    validator = Draft202012Validator(json.loads(schema_text()))
    assert list(validator.iter_errors(raw)) == []
    raw["variants"]["focal"]["epoch"] = 3
    raw["train"]["loss"] = {"name": "focal", "gamma": -1}
    raw["datasets"]["demo"]["settings"]["train"]["epochs"] = "ten"

    wrong = {".".join(map(str, error.absolute_path)) for error in validator.iter_errors(raw)}

    assert wrong == {"variants.focal", "train.loss", "datasets.demo.settings.train.epochs"}


def settings(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.settings", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
