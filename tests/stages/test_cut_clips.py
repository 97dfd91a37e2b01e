"""The stage cuts what was downloaded and reports on every video."""

import pandas as pd
import pytest

from pipeline.clips import COLUMNS
from pipeline.stages import cut_clips
from pipeline.video.cut_table import read_cuts
from tests.counter_videos import write_video


def write_tables(folder, clips, downloaded, offset_seconds=0.0):
    """Clips as (name, windows); downloads as (clip, path, status)."""
    rows = [["subset", "train", clip, clip, 0, 1, 0, "", windows, "00"] for clip, windows in clips]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "clips.csv", index=False)
    found = pd.DataFrame(downloaded, columns=["clip", "path", "status"])
    found = found.assign(offset_seconds=offset_seconds)
    found.to_csv(folder / "downloaded.csv", index=False)


def run_stage(folder):
    flags = {"clips": "clips.csv", "videos": ".", "downloaded": "downloaded.csv"}
    flags |= {"cut": "cut", "report": "cut.csv", "summary": "summary.json"}
    paths = [text for flag, name in flags.items() for text in (f"--{flag}", str(folder / name))]
    cut_clips.main(["--shard", "00", *paths])
    return {cut.clip: cut for cut in read_cuts(folder / "cut.csv")}


def test_every_video_gets_a_row(tmp_path):
    write_video(tmp_path / "good.mp4", "30", 30)
    (tmp_path / "page.mp4").write_text("<html>")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n/etc/passwd\n")
    write_tables(
        tmp_path,
        [(name, "1-10") for name in ("page", "good", "gone", "list", "lost")],
        [
            ("page", "page.mp4", "ok"),
            ("good", "good.mp4", "ok"),
            ("gone", "", "missing"),
            ("list", "list.mp4", "ok"),
        ],
    )

    cuts = run_stage(tmp_path)

    assert list(cuts) == ["good", "list", "page"]
    assert (cuts["good"].status, cuts["good"].path) == ("ok", "good.nut")
    assert cuts["page"].status == cuts["list"].status == "damaged"
    assert cuts["page"].reason.endswith("expected a video")
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["good.nut"]


def test_second_run_gives_the_same_bytes(tmp_path):
    write_video(tmp_path / "good.mp4", "30", 30)
    write_tables(tmp_path, [("good", "1-10")], [("good", "good.mp4", "ok")])

    def outputs():
        run_stage(tmp_path)
        return [(tmp_path / name).read_bytes() for name in ("cut/good.nut", "cut.csv")]

    assert outputs() == outputs()


@pytest.mark.parametrize("clip", ["unknown", "../up"])
def test_download_that_nobody_asked_for_is_refused(tmp_path, clip):
    write_video(tmp_path / "good.mp4", "30", 3)
    write_tables(tmp_path, [("../up", "1-10")], [(clip, "good.mp4", "ok")])

    with pytest.raises(ValueError, match=f"downloaded clip '{clip}'"):
        run_stage(tmp_path)

    assert not (tmp_path / "cut").exists()


def test_clip_is_looked_for_where_the_download_says_it_starts(tmp_path):
    write_video(tmp_path / "whole.mp4", "30", 120)
    write_tables(tmp_path, [("whole", "1-10")], [("whole", "whole.mp4", "ok")], offset_seconds=2.0)

    cut = run_stage(tmp_path)["whole"]

    assert cut.zero_seconds == 2.0


def test_videos_of_all_rounds_are_cut(tmp_path):
    for number, clip in (("00", "first"), ("00_2", "second")):
        (tmp_path / number).mkdir()
        write_video(tmp_path / number / f"{clip}.mp4", "30", 30)
        clips = [("first", "1-10"), ("second", "1-10")]
        write_tables(tmp_path, clips, [(clip, f"{clip}.mp4", "ok")])
        (tmp_path / "downloaded.csv").replace(tmp_path / f"{number}.csv")
    flags = ["--shard", "00", "--clips", str(tmp_path / "clips.csv")]
    flags += ["--videos", str(tmp_path / "00"), str(tmp_path / "00_2")]
    flags += ["--downloaded", str(tmp_path / "00.csv"), str(tmp_path / "00_2.csv")]

    cut_clips.main([*flags, "--cut", str(tmp_path / "cut"), "--report", str(tmp_path / "cut.csv")])

    assert {cut.clip: cut.status for cut in read_cuts(tmp_path / "cut.csv")} == {
        "first": "ok",
        "second": "ok",
    }


def test_table_without_its_folder_of_videos_is_named(tmp_path):
    write_tables(tmp_path, [("gone", "1-10")], [("gone", "gone.mp4", "ok")])
    flags = ["--shard", "00", "--clips", str(tmp_path / "clips.csv")]
    flags += ["--videos", str(tmp_path / "00"), "--downloaded", str(tmp_path / "downloaded.csv")]
    flags += ["--cut", str(tmp_path / "cut"), "--report", str(tmp_path / "cut.csv")]

    with pytest.raises(ValueError, match="00: found no folder, expected the videos of"):
        cut_clips.main(flags)
