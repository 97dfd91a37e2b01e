"""Broken videos go through both stages: a row each, with a reason, in bounded memory and time."""

import random
import resource
from types import SimpleNamespace

import pandas as pd
import pytest

from pipeline.clips import COLUMNS
from pipeline.stages import cut_clips, extract_frames
from tests.conftest import ROOT
from tests.counter_videos import H264, write_video

NUM_MUTATIONS = 200
MOST_CPU_SECONDS = 120  # of one set; about 5 are usual
FORGED = (0, 1, 127, 128, 255)
CODERS = {
    "h264.mp4": H264,
    "fast.mp4": [*H264, "-movflags", "+faststart"],
    "h264.mkv": H264,
    "h264.ts": H264,
    "vp9.webm": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
    "mpeg4.avi": ["-c:v", "mpeg4", "-bf", "2"],
}


def mutated(encoded, seed):
    """Flip bits, cut off the end, or forge bytes at the start or in the index; by the seed."""
    chance, encoded = random.Random(seed), bytearray(encoded)
    way = seed % 4
    if way == 0:
        for _ in range(chance.choice((1, 20, 400))):
            encoded[chance.randrange(len(encoded))] ^= 1 << chance.randrange(8)
    elif way == 1:
        del encoded[chance.randrange(len(encoded)) :]
    else:
        begin = 0 if way == 2 else max(encoded.rfind(b"moov"), 0)
        for _ in range(chance.choice((2, 10, 40))):
            place = min(begin + chance.randrange(3000), len(encoded) - 1)
            encoded[place] = chance.choice(FORGED)
    return bytes(encoded)


def run_both_stages(folder, videos, num_mutations):
    """Mutate the videos in turn; returns the reports and what the children used."""
    (folder / "videos").mkdir()
    rows, downloaded = [], []
    for seed in range(num_mutations):
        video = videos[seed // 4 % len(videos)]
        clip, name = f"clip{seed:03d}", f"{seed:03d}{video.suffix}"
        (folder / "videos" / name).write_bytes(mutated(video.read_bytes(), seed))
        rows.append(["p", "train", clip, name, 0, 2, 0, "", "1-10 40-45", "00"])
        downloaded.append({"clip": clip, "path": name, "status": "ok", "offset_seconds": 0.2})
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "clips.csv", index=False)
    pd.DataFrame(downloaded).to_csv(folder / "downloaded.csv", index=False)
    paths = {
        cut_clips: {"videos": "videos", "downloaded": "downloaded.csv", "report": "cut.csv"},
        extract_frames: {"cut-report": "cut.csv", "tar": "00.tar", "index": "00.parquet"},
    }
    paths[extract_frames] |= {"report": "frames.csv"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for stage, files in paths.items():
        files |= {"clips": "clips.csv", "cut": "cut"}
        flags = [word for flag, name in files.items() for word in (f"--{flag}", folder / name)]
        shard = ["--shard", "00"] if stage is cut_clips else []
        stage.main(list(map(str, ["--params", ROOT / "params.yaml", *shard, *flags])))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    reports = pd.read_csv(folder / "frames.csv", keep_default_na=False)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return SimpleNamespace(reports=reports, cpu_seconds=cpu_seconds)


def check(built, num_mutations):
    reports = built.reports
    broken = reports[reports["status"] != "ok"]
    assert len(reports) == num_mutations
    assert set(reports["status"]) <= {"ok", "short", "damaged"}
    assert len(broken) > num_mutations / 10
    assert (broken["reason"] != "").all()
    assert not broken["reason"].str.contains("\n|Traceback").any()
    assert (reports.loc[reports["status"] == "ok", "frames_stored"] == 16).all()
    assert built.cpu_seconds < MOST_CPU_SECONDS


def test_videos_of_our_own_making(tmp_path):
    videos = [write_video(tmp_path / name, "30", 75, *coder) for name, coder in CODERS.items()]

    built = run_both_stages(tmp_path, videos, 48)

    check(built, 48)


def test_real_videos(external, tmp_path):
    videos = sorted(path for kind in ("people", "codec") for path in
                    external(f"clips/{kind}").iterdir())  # fmt: skip

    built = run_both_stages(tmp_path, videos, NUM_MUTATIONS)

    check(built, NUM_MUTATIONS)


@pytest.mark.parametrize("seed", range(4))
def test_mutations_are_the_same_every_time(seed):
    encoded = bytes(range(256)) * 20

    assert mutated(encoded, seed) == mutated(encoded, seed) != encoded
