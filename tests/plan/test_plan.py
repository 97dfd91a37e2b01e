"""What the plan says about a dataset, estimated here by hand."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline.clips import COLUMNS
from pipeline.plan.__main__ import tables_to_try_again
from pipeline.plan.figures import Means, Step
from pipeline.plan.stages import plan_steps
from pipeline.settings.params import Params, load_params
from tests.conftest import ROOT
from tests.small_dataset import read_settings

MEANS = Means(bytes_per_second=1e8, cores=4, flops=4e13)


def steps_of(params: Params, root: Path) -> dict[str, Step]:
    return {step.stage: step for step in plan_steps(params, root, MEANS)}


@pytest.fixture
def study() -> Params:
    return load_params(ROOT / "params.yaml", "ava_kinetics")


def test_frames_that_no_variant_looks_at_are_told(study, tmp_path):
    assert steps_of(study, tmp_path)["list_clips"].notes == []
    raw = read_settings()
    raw["list_clips"]["frames_before"] = 50

    wider = steps_of(Params(raw, "params.yaml", "ava_kinetics"), tmp_path)

    assert wider["list_clips"].notes == [
        "no variant looks further than 40 frames back and 29 ahead, stored are 50 and 29"
    ]


def test_study_is_reckoned_from_published_sizes(study, tmp_path):
    steps = steps_of(study, tmp_path)

    # 299 videos of AVA are 157 GB; the archives of two splits are 90 % of 1.2 TB.
    assert steps["download"].download_bytes == pytest.approx(157e9 + 0.9 * 1200e9)
    # On the disk are the videos and 0.6 of each of 173,000 clips of 1.8617 MB; cut_clips adds none.
    cut = 0.6 * 173_000 * 1.86167e6
    assert steps["download"].disk_bytes == pytest.approx(157e9 + cut, rel=1e-4)
    films = 299 * 897 * (157e9 / 299 / 6000) * 1.3
    assert steps["cut_clips"].disk_bytes == pytest.approx(films)
    assert steps["download"].seconds == pytest.approx(1237e9 / 1e8)
    # 299 videos x 897 s x 30, and 70 frames around each of 172,272 keyframes.
    assert steps["extract_frames"].what == f"{299 * 897 * 30 + 172_272 * 70:,} frames"
    assert steps["detect_people"].seconds == pytest.approx(172_272 / 10)
    assert steps["detect_people"].disk_bytes == pytest.approx(172_272 * 500)


def test_time_of_training_counts_frames_and_epochs(study, tmp_path):
    # Frames of the nine variants: 4, 4, 8 (six times), 16; 351,795 keyframes; 10 epochs.
    flops = (4 + 4 + 6 * 8 + 16) * 41.55e9 / 4 * 3 * 2

    steps = steps_of(study, tmp_path)

    # A keyframe of validation takes one pass of the three: after each epoch, and in evaluating.
    seen, judged = 235 * 897 + 141_000, (64 * 897 + 31_272) / 3
    assert steps["train"].seconds == pytest.approx((seen + judged) * 10 * flops / 4e13)
    assert steps["evaluate"].seconds == pytest.approx(judged * flops / 4e13)


def test_clip_table_tells_better(study, tmp_path):
    folder = tmp_path / "data" / "ava_kinetics"
    folder.mkdir(parents=True)
    rows = [
        ["ava_train", "train", "a", "a", 900, 1800, 900, "", "1-100 201-300", "00"],
        ["ava_val", "val_ava", "b", "b", 900, 1800, 900, "", "1-50", "00"],
    ]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "clips.csv", index=False)

    steps = steps_of(study, tmp_path)

    assert steps["extract_frames"].what == "250 frames"
    assert steps["download"].disk_bytes == pytest.approx(2 * 157e9 / 299)


@pytest.fixture
def custom(study) -> Params:
    """The study with ground truth files that nobody has published figures of."""
    raw = read_settings()
    for subset in raw["datasets"]["ava_kinetics"]["subsets"]:
        subset |= {"ground_truth": f"{subset['name']}.csv", "proposals": "detect"}
        subset["excluded"] = "excluded.csv" if subset["name"] == "ava_train" else None
    return Params(raw, "params.yaml", "ava_kinetics")


def test_keyframes_of_an_unpublished_dataset_are_counted_in_its_ground_truth(custom, tmp_path):
    raw = tmp_path / "data/ava_kinetics/annotations/raw"
    raw.mkdir(parents=True)
    pd.DataFrame(columns=list(COLUMNS)).to_csv(raw.parents[1] / "clips.csv", index=False)
    # 0902 and 902.0 are one keyframe, 0903 has no people, 0907 is excluded.
    rows = ["a,0902,0,0,1,1,12,1", "a,902.0,0,0,1,1,12,1", "a,0903", "a,0907,0,0,1,1,12,1"]
    (raw / "ava_train.csv").write_text("\n".join(rows))
    (raw / "excluded.csv").write_text("a,907\n")
    for name in ("ava_val", "kinetics_train", "kinetics_val"):
        (raw / f"{name}.csv").write_text("b,1.5,0,0,1,1,12\n")

    steps = steps_of(custom, tmp_path)

    assert steps["detect_people"].what == "5 keyframes"
    assert not steps["detect_people"].notes
    assert steps["train"].seconds > 0


def test_keyframes_that_are_not_known_yet_are_said_to_be(custom, tmp_path):
    steps = steps_of(custom, tmp_path)

    assert steps["detect_people"].what == "0 keyframes known so far"
    note = "ava_train: keyframes unknown until its annotations are here"
    assert note in steps["detect_people"].notes
    assert note in steps["train"].notes
    assert "ava_train: frames unknown until its clips are listed" in steps["extract_frames"].notes


def test_ground_truth_without_seconds_is_refused_by_name(custom, tmp_path):
    raw = tmp_path / "data/ava_kinetics/annotations/raw"
    raw.mkdir(parents=True)
    (raw / "ava_train.csv").write_text("a,later,0,0,1,1,12\n")

    with pytest.raises(ValueError, match=r"train\.csv: found 'a,later', expected video_id"):
        plan_steps(custom, tmp_path, MEANS)


def test_what_is_there_is_counted_once_and_not_fetched_again(study, tmp_path):
    videos = tmp_path / "data" / "ava_kinetics" / "videos"
    (videos / "000").mkdir(parents=True)
    (videos / "000" / "a.mp4").write_bytes(b"x" * 1000)
    (videos / "again.mp4").hardlink_to(videos / "000" / "a.mp4")
    for shard in study.shards[:64]:
        (videos / f"{shard}.csv").write_text("")

    step = steps_of(study, tmp_path)["download"]

    assert step.there_bytes == 1000
    assert step.download_bytes == pytest.approx(0.75 * (157e9 + 0.9 * 1200e9))
    assert "25% of the jobs are done" in step.notes


def test_light_stages_have_rows(study, tmp_path):
    steps = steps_of(study, tmp_path)

    assert steps["list_clips"].seconds == pytest.approx(4.2, rel=0.01)  # 173,299 clips, measured
    assert steps["merge_annotations"].seconds == pytest.approx(7.1, rel=0.01)
    assert steps["report"].seconds == 90
    assert steps["list_clips"].what == "173,299 clips"


def write_all(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_time_that_is_left_shrinks_by_the_shards_splits_and_variants_that_are_there(
    study, tmp_path
):
    data, results = tmp_path / "data/ava_kinetics", tmp_path / "results/ava_kinetics"
    before = steps_of(study, tmp_path)
    write_all(data / "clips", *(f"{shard}.csv" for shard in study.shards[:64]))
    for kind in ("tar", "parquet", "csv"):
        write_all(data / "frames", *(f"{shard}.{kind}" for shard in study.shards[:128]))
    write_all(data / "frames", f"{study.shards[200]}.tar")  # its job was killed
    write_all(data, "proposals/val_kinetics.parquet", "pretrained/k700.pt")
    write_all(data, *(f"index/{split}.parquet" for split in study.splits))
    for variant in study.variants[:2]:  # those of 4 of the 72 frames each
        write_all(results / "variants" / variant, "model.pt")
    write_all(results / "variants" / study.variants[0], "metrics.json")

    after = steps_of(study, tmp_path)

    left = {name: step.seconds / before[name].seconds for name, step in after.items()}
    assert left["cut_clips"] == pytest.approx(192 / 256)
    assert left["extract_frames"] == pytest.approx(128 / 256)
    assert left["detect_people"] == pytest.approx(141_000 / 172_272)
    assert left["merge_annotations"] == 0
    assert left["pretrain"] == pytest.approx(2 / 3)
    assert left["train"] == pytest.approx(64 / 72)
    assert left["evaluate"] == pytest.approx(68 / 72)
    assert left["list_clips"] == left["report"] == 1


def test_annotations_that_have_come_are_not_downloaded_again(study, tmp_path):
    assert steps_of(study, tmp_path)["download_annotations"].download_bytes == 1e8
    write_all(tmp_path / "data/ava_kinetics/annotations", "raw/k700_train.csv")

    assert steps_of(study, tmp_path)["download_annotations"].download_bytes == 0


def test_demo_needs_little(tmp_path):
    steps = steps_of(load_params(ROOT / "params.yaml", "demo"), tmp_path)

    # (60 + 20) videos and (400 + 40) clips.
    assert steps["download"].what == "520 clips"
    assert steps["extract_frames"].what == f"{(80 * 12 + 440 * 4) * 30:,} frames"
    assert sum(step.disk_bytes for step in steps.values()) < 5e9


def test_tables_with_open_clips_are_named(tmp_path):
    texts = {"00": "gone: x", "01": "try later: x", "02": "HTTP 404", "03": "blocked: x"}
    for shard, reason in texts.items():
        (tmp_path / f"{shard}.csv").write_text(f"clip,reason\na,{reason}\n")

    assert [path.stem for path in tables_to_try_again(tmp_path, texts)] == ["01", "03"]


def test_clip_that_another_round_gave_is_not_asked_for_again(tmp_path):
    (tmp_path / "00.csv").write_text("clip,status,reason\na,missing,try later: x\n")
    (tmp_path / "01_2.csv").write_text("clip,status,reason\na,ok,\n")

    assert tables_to_try_again(tmp_path, ["00", "01", "00_2", "01_2"]) == []


def test_archives_behind_another_source_are_reckoned_with_it(tmp_path):
    raw = read_settings()
    subset = raw["datasets"]["ava_kinetics"]["subsets"][3]
    subset["sources"].insert(0, {"kind": "youtube"})
    params = Params(raw, "params.yaml", "ava_kinetics")

    step = steps_of(params, tmp_path)["download"]

    # 32,000 clips of 10 s at 60 kB a second more than without.
    expected = 157e9 + 0.9 * 1200e9 + 32_000 * 10 * 6e4
    assert step.download_bytes == pytest.approx(expected)


def test_command_loads_no_torch():
    script = (
        "import sys; from pipeline.plan.__main__ import main; main([]);"
        "sys.exit('torch' in sys.modules or 'yt_dlp' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dataset demo\nstage ")
