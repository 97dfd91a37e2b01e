"""Files of earlier stages that were edited, cut off or swapped: one line that names the file."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.report.result_files import (
    read_coverage,
    read_errors,
    read_history,
    read_keyframes,
    read_metrics,
    read_per_class,
)

VARIANT = "results/variants/focal"
READERS = {
    f"{VARIANT}/metrics.json": read_metrics,
    f"{VARIANT}/errors.json": lambda path: read_errors(path, ["val_ava"]),
    f"{VARIANT}/history.csv": read_history,
    f"{VARIANT}/per_class_ap.csv": read_per_class,
    "coverage.csv": read_coverage,
    "index/val_ava.parquet": read_keyframes,
}


def refusal(read, path):
    """What a reader says of a file it refuses; empty for one that it takes."""
    try:
        read(path)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("file", READERS)
def test_files_as_they_were_written_are_read(build, file):
    assert len(READERS[file](build.folder / file)) > 0


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\0\xff", b"a,b\n1,2\n", b"PAR1"])
@pytest.mark.parametrize("file", READERS)
def test_other_content_is_refused_with_the_file_and_the_way_out(tmp_path, file, content):
    path = tmp_path / file.rpartition("/")[2]
    path.write_bytes(content)

    said = refusal(READERS[file], path)

    assert said.startswith(f"{path}: found ")
    assert said.endswith("delete it and run the same command again")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mAP": "high"}, "found mAP 'high', expected Input should be a valid number"),
        ({"mAP": 7.0}, "found mAP 7.0, expected"),
        ({"split": "val_x"}, "found no protocol 'official' of split 'val_x'"),
        ({"protocols": {}}, "found no protocol 'official' of split 'val_ava'"),
        ({"coverage": {}}, "found no coverage of split 'val_ava'"),
        ({"num_videos": -1}, "found num_videos -1"),
    ],
)
def test_tampered_metrics_are_refused_where_they_differ(build, tmp_path, change, message):
    values = json.loads((build.folder / f"{VARIANT}/metrics.json").read_text())
    (tmp_path / "metrics.json").write_text(json.dumps(values | change))

    assert message in refusal(read_metrics, tmp_path / "metrics.json")


def test_deep_or_endless_json_is_one_line(tmp_path):
    for content in (b"[" * 100_000, b'{"mAP": ' + b"9" * 100_000 + b"}"):
        (tmp_path / "metrics.json").write_bytes(content)

        said = refusal(read_metrics, tmp_path / "metrics.json")

        assert said
        assert len(said) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("file", READERS)
@given(data=st.data())
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_files_are_read_or_refused_in_one_line(build, tmp_path, file, data):
    whole = (build.folder / file).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    put = data.draw(st.binary(max_size=4) | st.sampled_from([b"NaN", b"1e999", b'"', b"-", b","]))
    drop = data.draw(st.sampled_from([0, 1, 3, len(whole)]))
    path = tmp_path / "damaged"
    path.write_bytes(whole[:start] + put + whole[start + drop :])

    said = refusal(READERS[file], path)

    assert said == "" or (str(path) in said and "\n" not in said)


def test_a_variant_scored_on_other_splits_is_named(build, tmp_path):
    shutil.copytree(build.folder, tmp_path / "copy")
    path = tmp_path / "copy" / VARIANT / "metrics.json"
    values = json.loads(path.read_text())
    for key in ("protocols", "coverage"):
        values[key]["val_b"] = values[key]["val_ava"]
    path.write_text(json.dumps(values))

    with pytest.raises(ValueError, match=r"focal/metrics\.json: found split val_ava of"):
        type(build)(tmp_path / "copy", build.params).load()
