"""What Snakemake's reasons mean: source files, settings, or what it says itself."""

from pathlib import Path

import pytest

from pipeline.accept.builders import Pending
from pipeline.core import source_code

SAID = (
    "Params have changed since last execution: Union of exclusive params before and now across "
    "all output: before: {before} now: {now} "
)


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions of a stage's code: one file changed, one came, one went."""
    monkeypatch.setattr(source_code, "ROOT", tmp_path)
    folder = tmp_path / source_code.RECORDS
    folder.mkdir(parents=True)
    (folder / "aaa.txt").write_text("pipeline/a.py 1\npipeline/b.py 1\npipeline/old.py 1\n")
    (folder / "bbb.txt").write_text("pipeline/a.py 1\npipeline/b.py 2\npipeline/new.py 1\n")


def change(before: str, now: str) -> str:
    return Pending("train", SAID.format(before=before, now=now)).change


def test_changed_code_is_told_by_its_files(versions: None) -> None:
    found = change("'code aaa'", "'code bbb'")

    assert found == "pipeline/b.py, pipeline/new.py, pipeline/old.py"


def test_code_that_nothing_is_known_of_is_told_by_its_digests(versions: None) -> None:
    assert change("'code ccc'", "'code bbb'") == "code ccc -> bbb"


def test_a_setting_is_told_with_its_old_value(versions: None) -> None:
    before = '["epochs=3", "dropout=0.5", "loss={\'name\': \'bce\'}"]'
    now = '["epochs=4", "dropout=0.5", "loss={\'name\': \'bce\'}", "extra=True"]'

    assert change(before, now) == "epochs=4 (was 3), extra=True (was unset)"


def test_code_and_settings_change_together(versions: None) -> None:
    found = change("['epochs=3'],'code aaa'", "['epochs=4'],'code bbb'")

    assert found.endswith("pipeline/old.py, epochs=4 (was 3)")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Missing output files: a, b", "results are not there"),
        ("Updated input files: data/x.csv", "Updated input files: data/x.csv"),
        (SAID.format(before="<object at 0x1>", now="'x'"), None),
    ],
)
def test_other_reasons_are_told_in_snakemakes_words(reason: str, expected: str | None) -> None:
    assert Pending("train", reason).change == (expected or reason.strip())


def test_a_change_counts_also_where_another_job_causes_the_job(versions: None) -> None:
    said = SAID.format(before="'code aaa'", now="'code bbb'")
    job = Pending("train", f"Input files updated by another job: a.pt, b.csv; {said}")

    assert not job.is_caused
    assert job.change == "pipeline/b.py, pipeline/new.py, pipeline/old.py"


def test_a_job_that_another_one_causes_is_no_change_of_its_own() -> None:
    caused = Pending("report", "Input files updated by another job: results/x.json")

    assert caused.is_caused
    assert not caused.lacks_output
