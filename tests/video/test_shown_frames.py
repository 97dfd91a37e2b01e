"""`show_frames`, and thereby the stages, give the frames that ffmpeg shows at the same time."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from pipeline import show_frames
from pipeline.settings.params import load_params
from pipeline.video.crash_guard import Guard
from tests.conftest import ROOT
from tests.counter_videos import write_video
from tests.video.odd_videos import COVERS, NAMES, grey_levels, shown_by_ffmpeg, write_odd_video

SETTINGS = load_params(ROOT / "params.yaml").extract_frames
MOST_GREY_LEVELS = 6.0
STARTS = (0.0, 1.3, 2.6)
LATE_STARTS = (0.0, 1.3, 4.5)  # of the reference files, most of which last eight seconds
# Converted to an ordinary screen's brightness, which ffmpeg does not do unless told to.
HDR = "testsrc2_12bit_hdr.mp4"


def show(video, out, *options):
    """Run the command; returns what stands in frames.json."""
    arguments = [video, "--out", out, "--params", ROOT / "params.yaml", *options]
    show_frames.main(list(map(str, arguments)))
    return json.loads((out / "frames.json").read_text())


def show_here(video, out, start_seconds, num_frames):
    """What the command does, without a process of its own, which costs a second to start."""
    out.mkdir(parents=True)
    request = show_frames.Request(video, start_seconds, num_frames, out, SETTINGS)
    return show_frames.show_frames(request, Guard())


def check(video, folder, starts):
    """Compare a second of frames from each start on with what ffmpeg shows then."""
    decoded = {}
    for start in starts:
        shown = show_here(video, folder / f"{start}", start, 30)
        if not shown["frames"]:
            assert shown["status"] != "ok"
            assert shown["reason"]
            continue
        size = tuple(shown["size"])
        decoded[size] = decoded.get(size) or shown_by_ffmpeg(video, *size)
        times, frames = decoded[size]
        assert shown["status"] == "ok" or shown["reason"]
        for frame in shown["frames"]:
            with Image.open(folder / f"{start}" / f"img_{frame['number']:05d}.jpg") as image:
                stored = np.asarray(image.convert("RGB"))
            on_screen = start + (frame["number"] - 1) / 30
            k = max(np.searchsorted(times, on_screen + 0.0011, side="right") - 1, 0)
            assert grey_levels(stored, frames[k]) < MOST_GREY_LEVELS, (start, frame)
            assert frame["source_time"] == pytest.approx(times[k], abs=0.002)


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_is_shown_as_by_ffmpeg(tmp_path, name):
    video = write_odd_video(tmp_path / name)

    check(video, tmp_path / "shown", STARTS)

    shown = show_here(video, tmp_path / "whole", 0.0, 117)
    assert (shown["status"], len(shown["frames"])) == ("ok", 117)
    assert [frame["number"] for frame in shown["frames"]] == list(range(1, 118))


def test_reference_videos_are_shown_as_by_ffmpeg(external, tmp_path):
    videos = [*external("clips").glob("*/*.*"), *external("cases/video").iterdir()]
    compared = sorted(video for video in videos if video.name != HDR)

    for video in compared:
        check(video, tmp_path / video.name, LATE_STARTS)

    assert len(compared) == 28


@pytest.mark.parametrize("name", [*COVERS, "still_before_default.mp4", "two_moving.mkv"])
def test_track_that_players_show_is_named(tmp_path, name):
    video = write_odd_video(tmp_path / name)

    shown = show_here(video, tmp_path / "shown", 1.0, 3)

    assert (shown["track"], shown["rate"], shown["size"]) == (1, 25.0, [80, 32])
    assert (shown["status"], len(shown["frames"])) == ("ok", 3)


def test_numbers_and_source_times(tmp_path):
    video = write_video(tmp_path / "video.mp4", "10", 30)

    shown = show(video, tmp_path / "shown", "--start", 0.5, "--seconds", 0.2)

    times = [(frame["number"], frame["source_time"]) for frame in shown["frames"]]
    assert times == [(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.6), (5, 0.6), (6, 0.6)]
    names = sorted(path.name for path in (tmp_path / "shown").iterdir())
    assert names == ["frames.json", *(f"img_{number:05d}.jpg" for number in range(1, 7))]


def test_video_that_ends_early_is_short(tmp_path):
    video = write_video(tmp_path / "video.mp4", "10", 10)

    shown = show(video, tmp_path / "shown", "--start", 0.5, "--seconds", 1)

    assert (shown["status"], len(shown["frames"])) == ("short", 15)
    assert shown["reason"] == "the video ends after frame 15, frame 30 was wanted"


def test_what_is_no_video_has_a_reason(tmp_path):
    (tmp_path / "page.mp4").write_bytes(b"<html><title>404</title></html>")

    shown = show(tmp_path / "page.mp4", tmp_path / "shown")

    assert (shown["status"], shown["frames"], shown["track"]) == ("damaged", [], None)
    assert shown["reason"].startswith("page.mp4: ")


@pytest.mark.parametrize("name", ["pipe.mp4", "device.mp4", "folder.mp4"])
def test_pipes_and_devices_are_not_read(tmp_path, name):
    if name == "pipe.mp4":
        os.mkfifo(tmp_path / name)
    elif name == "device.mp4":
        (tmp_path / name).symlink_to("/dev/zero")
    else:
        (tmp_path / name).mkdir()

    shown = show(tmp_path / name, tmp_path / "shown")

    assert shown["status"] == "damaged"
    assert shown["reason"] == f"{name}: found no regular file, expected a video"


def test_folder_of_other_files_is_left_alone(tmp_path):
    video = write_video(tmp_path / "video.mp4", "10", 10)

    with pytest.raises(ValueError, match="found other files, expected a new folder"):
        show(video, tmp_path)

    assert video.exists()


def test_earlier_frames_are_replaced(tmp_path):
    video = write_video(tmp_path / "video.mp4", "10", 10)
    show(video, tmp_path / "shown", "--seconds", 0.5)

    show(video, tmp_path / "shown", "--seconds", 0.1)

    assert len(list((tmp_path / "shown").glob("*.jpg"))) == 3
