"""The stage stores frames of cut clips; real files show that it can read what people have."""

import json

import av
import pandas as pd
import pyarrow.parquet as pq
import pytest
import simplejpeg

from pipeline.clips import COLUMNS
from pipeline.stages import extract_frames
from pipeline.video.cut_table import Cut, read_cuts, write_cuts
from pipeline.video.cutting import cut_clip
from pipeline.video.frame_store import FrameStore
from tests.conftest import ROOT
from tests.counter_videos import H264, ffmpeg, read_number, write_video


def write_clips(folder, windows):
    """Clip table of {clip: windows}."""
    rows = [["p", "train", clip, clip, 0, 1, 0, "", text, "00"] for clip, text in windows.items()]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "clips.csv", index=False)


def run_stage(folder):
    flags = {"clips": "clips.csv", "cut": "cut", "cut-report": "cut.csv", "tar": "00.tar"}
    flags |= {"index": "00.parquet", "report": "frames.csv", "summary": "summary.json"}
    paths = [text for flag, name in flags.items() for text in (f"--{flag}", str(folder / name))]
    extract_frames.main(["--params", str(ROOT / "params.yaml"), *paths])
    return pd.read_csv(folder / "frames.csv", index_col="clip", keep_default_na=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A good clip, one that breaks off, one that was no video, one whose file holds nothing."""
    folder = tmp_path_factory.mktemp("extract")
    (folder / "cut").mkdir()
    video = write_video(folder / "video.mp4", "30", 60)
    cuts = [
        cut_clip(video, folder / "cut", "good", [(1, 5), (11, 12)], 0.0),
        cut_clip(video, folder / "cut", "short", [(58, 63)], 0.0),
        Cut("page", status="damaged", reason="page.mp4: no video"),
        Cut("empty", path="empty.nut"),
    ]
    (folder / "cut" / "empty.nut").write_bytes(b"")
    write_cuts(cuts, folder / "cut.csv")
    write_clips(folder, {"good": "1-5 11-12", "short": "58-63", "page": "1-9", "empty": "1-9"})
    return folder, run_stage(folder)


def test_wanted_frames_are_stored(built):
    folder, reports = built
    store = FrameStore(folder)

    images = store.decode("good", [1, 5, 11, 12])

    assert store.clips() == ["good", "short"]
    assert store.numbers("good").tolist() == [1, 2, 3, 4, 5, 11, 12]
    assert [read_number(image) for image in images] == [0, 4, 10, 11]
    assert reports.loc["good"].tolist() == ["ok", 7, 7, ""]


def test_what_is_missing_is_reported(built):
    _, reports = built

    assert reports.loc["short"].tolist() == [
        *["short", 6, 3],
        "the video ends after frame 60, frame 63 was wanted",
    ]
    assert reports.loc["page"].tolist() == ["damaged", 9, 0, "page.mp4: no video"]
    assert reports.loc["empty", "status"] == "damaged"
    assert "empty.nut: " in reports.loc["empty", "reason"]


def test_summary_counts(built):
    counts = json.loads((built[0] / "summary.json").read_text())

    assert (counts["clips"], counts["frames"], counts["damaged"], counts["short"]) == (4, 10, 2, 1)
    assert counts["bytes"] == (built[0] / "00.tar").stat().st_size


def test_versions_of_decoder_and_encoder_stand_in_the_index(built):
    notes = pq.read_schema(built[0] / "00.parquet").metadata

    assert notes[b"decoder"].decode() == f"PyAV {av.__version__}, ffmpeg {av.ffmpeg_version_info}"
    assert notes[b"encoder"].decode() == f"simplejpeg {simplejpeg.__version__}"


def test_pictures_that_change_their_size_take_that_of_the_first(tmp_path):
    (tmp_path / "cut").mkdir()
    write_video(tmp_path / "small.ts", "30", 30)
    larger = ["-vf", "scale=2*iw:2*ih:flags=neighbor", *H264]
    write_video(tmp_path / "large.ts", "30", 30, *larger)
    (tmp_path / "list").write_text("file small.ts\nfile large.ts\n")
    joined = tmp_path / "joined.ts"
    ffmpeg("-f", "concat", "-i", tmp_path / "list", "-c", "copy", joined)
    write_cuts([cut_clip(joined, tmp_path / "cut", "clip", [(1, 60)], 0.0)], tmp_path / "cut.csv")
    write_clips(tmp_path, {"clip": "1-60"})

    report = run_stage(tmp_path).loc["clip"]
    store = FrameStore(tmp_path)

    assert store.size("clip") == (80, 32)
    images = store.decode("clip", range(1, 61))
    assert [read_number(image) for image in images] == [*range(30), *range(30)]
    assert report["status"] == "ok"
    assert report["reason"] == "frames of 160 x 64 were resized to the first's 80 x 32"


def test_clip_that_nobody_asked_for_is_refused(tmp_path):
    write_cuts([Cut("unknown", "unknown.nut")], tmp_path / "cut.csv")
    write_clips(tmp_path, {"other": "1-2"})

    with pytest.raises(ValueError, match="cut clip 'unknown'"):
        run_stage(tmp_path)
    assert not (tmp_path / "00.tar").exists()


@pytest.mark.parametrize("windows", ["1-300", "7-9"])
def test_awkward_encodings_become_upright_frames(external, tmp_path, windows):
    videos = sorted(external("clips/codec").iterdir())
    first, last = map(int, windows.split("-"))
    (tmp_path / "cut").mkdir()
    cuts = [cut_clip(video, tmp_path / "cut", video.stem, [(first, last)], 0) for video in videos]
    write_cuts(cuts, tmp_path / "cut.csv")
    write_clips(tmp_path, {cut.clip: windows for cut in cuts})

    reports = run_stage(tmp_path)
    store = FrameStore(tmp_path)

    too_short = ["testsrc2_mpeg4"] if windows == "7-9" else []  # it has a single frame
    assert store.clips() == sorted({video.stem for video in videos} - set(too_short))
    assert set(reports["status"]) <= {"ok", "short", "damaged"}
    assert reports.index[reports["status"] == "damaged"].tolist() == too_short
    assert store.size("nasa_13013_rotated") == (96, 171)
    assert "PQ brightness was mapped" in reports.loc["testsrc2_12bit_hdr", "reason"]


def test_cut_table_of_real_files_survives_writing(external, tmp_path):
    cut = cut_clip(external("clips/codec/nasa_13013_rotated.mp4"), tmp_path, "x", [(1, 9)], 0.0)

    write_cuts([cut], tmp_path / "cut.csv")

    assert read_cuts(tmp_path / "cut.csv") == [cut]
    assert (cut.rotation_degrees, cut.matrix) == (270, "bt709")
