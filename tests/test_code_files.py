"""The lists of source files that Snakemake and DVC watch."""

from pipeline.code_files import ROOT, code_files, with_code
from pipeline.sections import STAGES


def test_a_stage_runs_what_its_imports_import() -> None:
    files = code_files("train")

    assert "pipeline/stages/train.py" in files
    assert "pipeline/models/slow_only.py" in files  # through the detector
    assert "pipeline/params.py" not in files  # settings are watched as values


def test_no_stage_imports_another() -> None:
    for stage in STAGES:
        others = [path for path in code_files(stage) if path.startswith("pipeline/stages/")]
        assert others == [f"pipeline/stages/{stage}.py"]


def test_dvc_yaml_lists_the_source_files_of_every_stage() -> None:
    text = (ROOT / "dvc.yaml").read_text()

    assert text == with_code(text), "run `make dvc.yaml`"
