"""Interlaced videos give whole frames, each at its time."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.video.cutting import cut_clip
from pipeline.video.frame_reader import Damage, read_frames
from pipeline.video.rgb import to_rgb
from tests.counter_videos import H264, ffmpeg

# A bright bar 32 wide on black, 192 pixels a second to the right: in 1/50 s it moves by 3.84.
MOVED = "nullsrc=s=256x64:r=50:d=3,geq=lum='if(between(X-192*T,0,31),235,16)':cb=128:cr=128"
CODERS = {
    "h264.mp4": [*H264, "-flags", "+ildct+ilme", "-x264-params", "tff=1"],
    "h264.mkv": [*H264[:4], "-bf", "0", "-flags", "+ildct+ilme", "-x264-params", "bff=1"],
    "mpeg2.ts": ["-c:v", "mpeg2video", "-qscale:v", "2", "-bf", "2", "-flags", "+ildct+ilme"],
    "mpeg2.mpg": ["-c:v", "mpeg2video", "-qscale:v", "2", "-flags", "+ildct+ilme"],
}
WANTED = range(7, 33)  # 0.2 s to 1.03 s: the whole bar is in the frame


def combing(image):
    """Mean step between neighbouring rows; the bar's rows are alike, so it should be none."""
    return np.abs(np.diff(image[:, :, 1].astype(float), axis=0)).mean()


def bar_start(image):
    """Left end of the bar in pixels, from the rows' mean."""
    columns = image[:, :, 1].astype(float).mean(axis=0)
    weights = columns - columns.min()
    return (weights * np.arange(len(columns))).sum() / weights.sum() - 15.5


@pytest.fixture(scope="module", params=CODERS)
def interlaced(request, tmp_path_factory):
    """25 interlaced frames a second; their fields are 1/50 s apart."""
    folder = tmp_path_factory.mktemp("interlaced")
    video = folder / request.param
    scan = "bff" if "bff=1" in CODERS[request.param] else "tff"
    fields = ["-vf", f"interlace=scan={scan}:lowpass=0", "-pix_fmt", "yuv420p"]
    ffmpeg("-f", "lavfi", "-i", MOVED, *fields, *CODERS[request.param], "-threads", "1", video)
    cut = cut_clip(video, folder, "clip", [(WANTED[0], WANTED[-1])], 0.0)
    frames = read_frames(folder / cut.path, cut, WANTED, Damage())
    images = {n: to_rgb(frame, cut.look, 4000) for frame, shown in frames for n in shown}
    raw = ffmpeg("-i", video, "-ss", "0.4", "-frames:v", "1", "-f", "rawvideo",
                 "-pix_fmt", "rgb24", "-")  # fmt: skip
    combed = np.frombuffer(raw, dtype=np.uint8).reshape(64, 256, 3)
    return SimpleNamespace(images=images, combed=combed, cut=cut)


def test_combs_are_gone(interlaced):
    assert list(interlaced.images) == list(WANTED)
    worst = max(combing(image) for image in interlaced.images.values())

    assert combing(interlaced.combed) > 5
    assert worst < 1


def test_pictures_keep_their_times(interlaced):
    # Frame n shows source frame floor(25 (n - 1) / 30), whose earlier field is at its own time.
    expected = {n: 192 * ((n - 1) * 25 // 30) / 25 for n in WANTED}

    found = {n: bar_start(image) for n, image in interlaced.images.items()}

    assert found == pytest.approx(expected, abs=1.5)


def test_progressive_pictures_stay_as_they_were(tmp_path):
    video = tmp_path / "plain.mp4"
    ffmpeg("-f", "lavfi", "-i", MOVED, "-pix_fmt", "yuv420p", *H264, "-threads", "1", video)
    cut = cut_clip(video, tmp_path, "clip", [(30, 30)], 0.0)

    frame, _ = next(read_frames(tmp_path / cut.path, cut, [30], Damage()))

    raw = ffmpeg("-i", video, "-ss", "0.96", "-frames:v", "1", "-f", "rawvideo", "-")
    rows = np.frombuffer(frame.planes[0], dtype=np.uint8).reshape(64, -1)[:, :256]
    assert np.array_equal(rows.ravel(), np.frombuffer(raw[: 64 * 256], dtype=np.uint8))
