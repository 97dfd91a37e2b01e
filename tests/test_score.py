"""The command: every adversarial file under every protocol, and what it writes."""

import gzip
import json
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline import score
from pipeline.annotations.ava_csv import read_detections

REFERENCE = Path(__file__).parent / "reference/evaluator"
LABELS = REFERENCE / "labels.pbtxt"
CASES = json.loads((REFERENCE / "cases.json").read_text())
PROTOCOLS = {
    "official": ("official_capacity_50", 1e-12),
    "uncapped": ("official_uncapped", 1e-12),
    "mmaction2": ("mmaction2", 1e-6),
}


# Where we refuse what an original takes, or order what it leaves to chance; docs/evaluation.md
# says why. In no case of cases.json does a number differ.
DELIBERATE = {
    "ground truth box is nan": (
        "--ground-truth",
        "a,1,nan,0,1,1,12",
        "row 1: found box nan, 0, 1, 1, expected",
    ),
    "action id below 1": (
        "--ground-truth",
        "a,1,0,0,1,1,0",
        "row 1: found action_id 0, expected 1 or",
    ),
    "time is nan": ("--detections", "a,nan,0,0,1,1,12,1", "row 1: found timestamp nan, expected"),
    "time is no film's": ("--detections", "a,1e12,0,0,1,1,12,1", "row 1: found timestamp 1e.12"),
    "box in pixels": (
        "--ground-truth",
        "a,1,0,0,60,24,12",
        "row 1: found box 0, 0, 60, 24, expected fractions of the frame",
    ),
    "text is no text": ("--detections", "\0,1,0,0,1,1,12,1", "row 1: found video_id .* text"),
    "class twice": ("--labels", 'item {name: "a" id: 1}' * 2, "class 2: id 1 given twice"),
}


def files(case):
    found = {
        name: str(REFERENCE / f"cases/{case}.{end}.csv")
        for name, end in (
            ("--ground-truth", "gt"),
            ("--detections", "det"),
            ("--exclusions", "excl"),
        )
    }
    return {**found, "--labels": str(LABELS)}


def run(tmp_path, flags, *more):
    """What --out holds after the command ran in this process."""
    out = tmp_path / "out.json"
    pairs = [word for flag in flags.items() for word in flag]
    score.main([*pairs, *more, "--out", str(out)])
    return json.loads(out.read_text())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", CASES)
def test_case_gives_the_original_number_or_one_line(case, protocol, tmp_path, capsys):
    name, tolerance = PROTOCOLS[protocol]
    expected = CASES[case][name]
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=r"\.csv: row \d+: found .*, expected .*") as refusal:
            run(tmp_path, files(case), "--protocol", protocol)
        assert "\n" not in str(refusal.value)
        return

    found = run(tmp_path, files(case), "--protocol", protocol)

    assert found["protocol"] == protocol
    assert found["mAP"] == pytest.approx(expected["map"], abs=tolerance)
    known = {action: ap for action, ap in found["per_class"].items() if ap is not None}
    assert known == pytest.approx(expected["ap"], abs=tolerance)
    assert capsys.readouterr().out.startswith("mAP ")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("flag", "text", "message"), DELIBERATE.values(), ids=DELIBERATE)
def test_deliberate_difference_is_one_line(flag, text, message, protocol, tmp_path):
    file = tmp_path / "odd.csv"
    file.write_text(text + "\n")
    if protocol == "mmaction2":
        message = message.replace("found timestamp nan, expected", "found timestamp 'nan', expec")
        message = message.replace("found timestamp 1e.12", "found timestamp '1e12', expected")

    with pytest.raises(ValueError, match=r"odd\.csv: " + message) as refusal:
        run(tmp_path, {**files("base"), flag: str(file)}, "--protocol", protocol)

    assert "\n" not in str(refusal.value)


def test_published_ground_truth_in_pixels_is_refused_with_file_and_row(external, tmp_path):
    folder = external("cases/pixel_truth")
    flags = {"--ground-truth": "val.csv", "--detections": "val.csv", "--labels": "classes.pbtxt"}

    with pytest.raises(ValueError, match=r"val\.csv: row 1: found box 0, 0, 60, 24, expected frac"):
        run(tmp_path, {flag: str(folder / name) for flag, name in flags.items()})


def test_ids_in_two_forms_of_unicode_are_one_video(tmp_path):
    (tmp_path / "gt.csv").write_text("\u00e9,1,0,0,1,1,12\n")
    (tmp_path / "det.csv").write_text("e\u0301,1,0,0,1,1,12,0.5\n")
    flags = {"--ground-truth": "gt.csv", "--detections": "det.csv"}
    flags = {flag: str(tmp_path / name) for flag, name in flags.items()} | {"--labels": str(LABELS)}

    assert run(tmp_path, flags)["mAP"] == 1.0


def test_equal_scores_are_ordered_by_content_not_by_the_file(tmp_path):
    flags = files("tie_tp_fp_image_rev")
    rows = Path(flags["--detections"]).read_text().splitlines(keepends=True)
    (tmp_path / "reversed.csv").write_text("".join(reversed(rows)))

    turned = run(tmp_path, {**flags, "--detections": str(tmp_path / "reversed.csv")})

    assert turned == run(tmp_path, flags)


def test_result_by_hand(tmp_path, capsys):
    # Class 12: 0.9 hit, 0.6 hit, 0.55 hit, 0.35 hit of four; 11: two of two; 79: miss, then hit.
    found = run(tmp_path, files("base"), "--bootstrap", "200")

    assert found["mAP"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert found["per_category"] == pytest.approx(
        {"person_movement": 1, "object_manipulation": None, "person_interaction": 1 / 2}
    )
    assert len(found["per_class"]) == 60
    assert found["per_class"]["80"] is None
    assert found["counts"]["rows_used"] == found["counts"]["rows"] == 8
    assert found["bootstrap"] == {"resamples": 200, "videos": 2}
    low, high = found["interval"]
    assert low <= found["mAP"] <= high
    shown = capsys.readouterr().out
    assert " 83.33 (official, IoU 0.5, 3 of 60 classes have an AP)" in shown
    assert "8 of 8 rows used; left out: none" in shown


def test_rows_left_out_are_counted_by_reason(tmp_path):
    (tmp_path / "gt.csv").write_text("a,1,0,0,1,1,12\na,2,0,0,1,1,12\n")
    (tmp_path / "excluded.csv").write_text("a,0002\n")
    rows = ["a,1", "a,1,0,0,1,1,12,.9", "a,1,0,0,1,1,2,.9", "a,2,0,0,1,1,12,.9"]
    rows += ["b,1,0,0,1,1,12,.9", "a,1,0.5,0,0.5,1,12,.9"]
    (tmp_path / "det.csv").write_text("\n".join(rows) + "\n")
    flags = {
        "--ground-truth": str(tmp_path / "gt.csv"),
        "--detections": str(tmp_path / "det.csv"),
        "--exclusions": str(tmp_path / "excluded.csv"),
        "--labels": str(LABELS),
    }

    counts = run(tmp_path, flags)["counts"]

    assert counts == {
        "rows": 5,
        "rows_without_box": 1,
        "rows_of_other_classes": 1,
        "rows_outside_keyframes": 1,
        "rows_excluded": 1,
        "rows_over_limit": 0,
        "rows_without_area": 1,
        "rows_used": 1,
        "keyframes": 1,
        "ground_truth_boxes": 1,
    }


def test_compressed_files_and_parquet_give_the_same(tmp_path):
    flags = files("base")
    expected = run(tmp_path, flags)
    packed = tmp_path / "det.csv.gz"
    packed.write_bytes(gzip.compress(Path(flags["--detections"]).read_bytes()))
    table = read_detections(Path(flags["--detections"]))
    other = table.assign(split="val_other", score=0.5)
    both = pd.concat([table.assign(split="val_ava"), other])
    both.to_parquet(tmp_path / "both.parquet", index=False)
    table.astype({"score": "float64"}).to_parquet(tmp_path / "one.parquet", index=False)

    assert run(tmp_path, {**flags, "--detections": str(packed)}) == expected
    assert run(tmp_path, {**flags, "--detections": str(tmp_path / "one.parquet")}) == expected
    both_flags = {**flags, "--detections": str(tmp_path / "both.parquet")}
    assert run(tmp_path, both_flags, "--split", "val_ava") == expected
    with pytest.raises(ValueError, match=r"both.parquet: found splits .*--split"):
        run(tmp_path, both_flags)


def test_classes_without_ground_truth_anywhere_leave_no_number(tmp_path, capsys):
    empty = tmp_path / "empty.csv"
    empty.write_text("")

    found = run(tmp_path, {**files("base"), "--ground-truth": str(empty)}, "--bootstrap", "10")

    assert found["mAP"] is found["interval"] is None
    assert found["counts"]["rows_outside_keyframes"] == 8
    assert "none" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("case", "code", "message"),
    [("base", 0, ""), ("label_float", 2, "label_float.det.csv: row 9: found action_id '12.0'")],
)
def test_exit_code_and_one_line(case, code, message):
    command = [sys.executable, "-m", "pipeline.score"]
    words = [word for flag in files(case).items() for word in flag]

    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert message in done.stderr
    assert done.stderr.count("\n") == (1 if message else 0)


def test_the_command_loads_neither_torch_nor_mlflow():
    script = (
        "import sys, pipeline.evaluation.file_scores; print({'torch', 'mlflow'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert done.stdout.decode().strip() == "set()"


def test_numbers_of_the_file_survive_to_the_last_digit(tmp_path):
    # 0.1 + 0.2 style neighbours: one unit in the last place decides which of two boxes is first.
    (tmp_path / "gt.csv").write_text("a,1,0,0,1,1,12\n")
    better = math.nextafter(0.7, 1)
    (tmp_path / "det.csv").write_text(f"a,1,2,2,3,3,12,0.7\na,1,0,0,1,1,12,{better!r}\n")
    flags = {"--ground-truth": "gt.csv", "--detections": "det.csv"}
    flags = {flag: str(tmp_path / name) for flag, name in flags.items()} | {"--labels": str(LABELS)}

    assert run(tmp_path, flags, "--protocol", "uncapped")["mAP"] == 1.0
