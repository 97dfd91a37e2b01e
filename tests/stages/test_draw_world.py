import json
from pathlib import Path

from pipeline.stages.draw_world import leave_note, main
from tests.small_dataset import read_settings, write_settings


def test_draw_world_writes_a_mirror_and_its_counts(tmp_path):
    settings = read_settings(Path("params.yaml"))
    settings["draw_world"] |= {
        "ava_train_videos": 1, "ava_val_videos": 1, "ava_seconds": 4,
        "kinetics_train_clips": 1, "kinetics_val_clips": 1, "kinetics_seconds": 3,
    }  # fmt: skip
    write_settings(tmp_path / "params.yaml", settings)
    arguments = ["--params", tmp_path / "params.yaml", "--mirror", tmp_path / "mirror"]

    main([str(word) for word in [*arguments, "--summary", tmp_path / "summary.json"]])

    counts = json.loads((tmp_path / "summary.json").read_text())
    files = [path for path in (tmp_path / "mirror").rglob("*") if path.is_file()]
    assert counts["files"] == len(files)
    assert counts["bytes"] == sum(path.stat().st_size for path in files)
    assert counts["ava_val_keyframes"] == 1


def test_real_data_draws_nothing(tmp_path: Path) -> None:
    counts = leave_note(tmp_path / "mirror", "ava_kinetics")

    assert counts == {"files": 0}
    assert [path.name for path in (tmp_path / "mirror").iterdir()] == ["README"]
