"""The stored frame for time t is the source's frame on screen at t, through both stages."""

from fractions import Fraction
from itertools import chain
from math import floor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline.clips import COLUMNS, parse_windows
from pipeline.stages import cut_clips, extract_frames
from pipeline.video.frame_store import FrameStore
from tests.conftest import ROOT
from tests.counter_videos import (
    H264,
    edit,
    ffmpeg,
    numbered_frame,
    on_screen,
    read_number,
    write_video,
)

SECONDS = 8
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "40"]
VP8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "40"]
# At 60 a second: some frames stay for 1/60 s, some for 5/60 s.
VARIABLE = [k for k in range(60 * SECONDS) if k % 7 in (0, 1) or (k // 60) % 2]
KEEP_VARIABLE = "select=not(mod(n\\,7))+not(mod(n-1\\,7))+mod(floor(n/60)\\,2)"

SOURCES = {  # name: rate, options of the coder
    "24.mp4": ("24", H264),
    "25.mkv": ("25", H264),
    "29.97.mp4": ("30000/1001", H264),
    "29.97.mkv": ("30000/1001", [*H264, "-x264-params", "open-gop=1"]),
    "30.webm": ("30", VP9),
    "30.mp4": ("30", H264),
    "50.webm": ("50", VP8),
    "60.mp4": ("60", H264),
    "15.ts": ("15", H264),
    "6.avi": ("6", ["-c:v", "mpeg4"]),
    "10 bits.mkv": ("30", [*H264, "-pix_fmt", "yuv420p10le"]),
    "12 bits.webm": ("24", [*VP9, "-pix_fmt", "yuv420p12le"]),
    "whole chroma.mp4": ("25", [*H264, "-pix_fmt", "yuv444p"]),
    "full range.mp4": ("25", ["-vf", "scale=out_range=full", "-color_range", "pc", *H264]),
    "odd sides.webm": ("30", ["-vf", "pad=81:33", *VP9]),
    "interlaced.mp4": ("25", [*H264, "-flags", "+ilme+ildct", "-x264-params", "tff=1"]),
    "late start.mkv": ("24", [*H264, "-output_ts_offset", "3"]),
    "late start.ts": ("30", [*H264, "-output_ts_offset", "3"]),
    "variable.mkv": ("60", ["-vf", KEEP_VARIABLE, "-fps_mode", "vfr", *H264]),
    "variable.mp4": ("60", ["-vf", KEEP_VARIABLE, "-fps_mode", "vfr", *H264]),
    "starts with nothing.mp4": ("30", H264),
    "without its middle.mp4": ("25", [*H264, "-bf", "0", "-g", "100"]),
    "starts with nothing, without its middle.mp4": ("30", [*H264, "-bf", "0"]),
    "last part first.mp4": ("24", [*H264, "-bf", "0", "-g", "60"]),
}

# Edit lists: first frame (None: nothing on screen) and how many. Where frames lean on later ones,
# ffmpeg itself moves a piece that does not begin with a keyframe by two frames.
EDITS = {
    "starts with nothing.mp4": [(None, 30), (15, 150)],
    "without its middle.mp4": [(10, 100), (131, 69)],
    "starts with nothing, without its middle.mp4": [(None, 21), (10, 81), (160, 72)],
    "last part first.mp4": [(110, 72), (30, 60)],
}

# Where the clip starts in the video, and which stored frames are wanted of it: from the start; and
# from the middle, with a gap longer than a group of frames, to beyond the end.
CLIPS = {"start": (0.0, "1-40 100-130"), "middle": (2.5, "1-25 90-400"), "odd": (3.21, "7-7 61-61")}


def frame_times(name):
    """When each frame comes on screen, as its container can tell: Matroska counts in 1 ms."""
    rate = Fraction(SOURCES[name][0])
    if name in EDITS:  # players begin with the first frame
        pieces = [range(k, k + count) for k, count in EDITS[name] if k is not None]
        return {k: place / rate for place, k in enumerate(chain(*pieces))}
    frames = VARIABLE if name.startswith("variable") else range(int(rate * SECONDS))
    ticks = 1000 if name.endswith(("mkv", "webm")) else rate
    return {k: Fraction(floor(k / rate * ticks + Fraction(1, 2)), ticks) for k in frames}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Every source cut and extracted in every way by the two stages."""
    folder = tmp_path_factory.mktemp("timing")
    videos = folder / "videos"
    videos.mkdir()
    rows, downloaded = [], []
    for name, (rate, options) in SOURCES.items():
        write_video(videos / name, rate, int(Fraction(rate) * SECONDS), *options)
        if name in EDITS:
            edit(videos / name, rate, EDITS[name])
        for part, (offset, windows) in CLIPS.items():
            clip = f"{name}-{part}"
            rows.append([part, "train", clip, name, offset, SECONDS, offset, "", windows, "00"])
            row = {"clip": clip, "path": name, "status": "ok", "offset_seconds": offset}
            downloaded.append(row)
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "clips.csv", index=False)
    pd.DataFrame(downloaded).to_csv(folder / "downloaded.csv", index=False)
    shared = ["--params", str(ROOT / "params.yaml"), "--clips", str(folder / "clips.csv")]
    cut = [
        *["--shard", "00", "--videos", videos, "--downloaded", folder / "downloaded.csv"],
        *["--cut", folder / "cut", "--report", folder / "cut.csv"],
    ]
    cut_clips.main(shared + [str(value) for value in cut])
    extract = [
        *["--cut", folder / "cut", "--cut-report", folder / "cut.csv"],
        *["--tar", folder / "00.tar", "--index", folder / "00.parquet"],
        *["--report", folder / "frames.csv"],
    ]
    extract_frames.main(shared + [str(value) for value in extract])
    reports = pd.read_csv(folder / "frames.csv", index_col="clip", keep_default_na=False)
    return SimpleNamespace(folder=folder, store=FrameStore(folder), reports=reports)


@pytest.mark.parametrize("part", CLIPS)
@pytest.mark.parametrize("name", SOURCES)
def test_stored_frame_is_the_one_on_screen(built, name, part):
    offset, windows = CLIPS[part]
    times = frame_times(name)
    wanted = [n for first, last in parse_windows(windows) for n in range(first, last + 1)]
    clip_times = [Fraction(str(offset)) + Fraction(n - 1, 30) for n in wanted]
    end = max(times.values()) + (1 / Fraction(SOURCES[name][0]))
    expected = {
        n: list(times)[on_screen(t, times.values())]
        for n, t in zip(wanted, clip_times, strict=True)
        if t + Fraction(1001, 1000000) < end
    }

    numbers = built.store.numbers(f"{name}-{part}").tolist()
    images = built.store.decode(f"{name}-{part}", numbers)

    # The last stored frame depends on how long the container lets the last frame stay.
    assert abs(len(numbers) - len(expected)) <= (2 if name.startswith("variable") else 0)
    found = dict(zip(numbers, map(read_number, images), strict=True))
    assert {n: found[n] for n in list(expected)[: len(numbers)]} == expected


@pytest.mark.parametrize("name", EDITS)
def test_edit_list_is_read_as_ffmpeg_reads_it(built, name):
    video = built.folder / "videos" / name
    shown = ffmpeg("-i", video, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")

    images = np.frombuffer(shown, np.uint8).reshape(-1, *numbered_frame(0).shape)

    assert list(map(read_number, images)) == list(frame_times(name))


@pytest.mark.parametrize("name", SOURCES)
def test_clip_that_outlasts_its_video_is_short(built, name):
    report = built.reports.loc[f"{name}-middle"]

    assert report["status"] == "short"
    assert report["frames_stored"] < report["frames_wanted"] == 25 + 311
    assert "frame 400 was wanted" in report["reason"]


def test_only_the_wanted_packets_are_copied(built):
    cuts = pd.read_csv(built.folder / "cut.csv", index_col="clip")

    # Two single frames lie in two groups of 24 frames of the 192.
    whole = (built.folder / "videos" / "24.mp4").stat().st_size
    assert cuts.at["24.mp4-odd", "bytes"] < whole / 2
    assert set(cuts["status"]) == {"ok"}


def test_second_run_gives_the_same_bytes(built, tmp_path):
    arguments = [
        *["--params", ROOT / "params.yaml", "--clips", built.folder / "clips.csv"],
        *["--cut", built.folder / "cut", "--cut-report", built.folder / "cut.csv"],
        *["--tar", tmp_path / "00.tar", "--index", tmp_path / "00.parquet"],
        *["--report", tmp_path / "frames.csv"],
    ]

    extract_frames.main([str(value) for value in arguments])

    for name in ("00.tar", "00.parquet", "frames.csv"):
        assert (tmp_path / name).read_bytes() == (built.folder / name).read_bytes()
