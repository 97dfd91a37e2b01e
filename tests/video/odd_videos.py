"""Videos of kinds that lose something when their packets are copied, drawn small; and what ffmpeg
shows of a video."""

import re
import subprocess

import numpy as np

from pipeline.core.ffmpeg import ffmpeg_binary
from tests.counter_videos import H264, ffmpeg, write_video

RATE, NUM_FRAMES = "25", 100  # four seconds
LARGER = "scale=320:128:flags=neighbor"

ENCODERS = {
    "bgr24.avi": ["-c:v", "rawvideo", "-pix_fmt", "bgr24"],
    "bgra.avi": ["-c:v", "rawvideo", "-pix_fmt", "bgra"],
    "i420.avi": ["-c:v", "rawvideo", "-pix_fmt", "yuv420p"],
    "yuyv.avi": ["-c:v", "rawvideo", "-pix_fmt", "yuyv422"],
    "nv12.avi": ["-c:v", "rawvideo", "-pix_fmt", "nv12"],
    "gray.avi": ["-c:v", "rawvideo", "-pix_fmt", "gray"],
    "pal8.avi": ["-c:v", "rawvideo", "-pix_fmt", "pal8"],
    "rgb24.mov": ["-c:v", "rawvideo", "-pix_fmt", "rgb24"],
    "uyvy.mov": ["-c:v", "rawvideo", "-pix_fmt", "uyvy422"],
    "rgb555.mov": ["-c:v", "rawvideo", "-pix_fmt", "rgb555be"],
    "h264.avi": [*H264, "-bf", "0"],
    "bare.m2v": ["-c:v", "mpeg2video", "-bf", "2"],
    "v210.mov": ["-c:v", "v210", "-pix_fmt", "yuv422p10le"],
    "raw.mkv": ["-c:v", "rawvideo", "-pix_fmt", "yuv420p"],
    "run_length.avi": ["-c:v", "msrle", "-pix_fmt", "pal8"],
    "ut_video.avi": ["-c:v", "utvideo", "-pix_fmt", "yuv422p"],
    "ffv1.mkv": ["-c:v", "ffv1", "-pix_fmt", "yuv420p"],
    "mjpeg.avi": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"],
    "prores.mov": ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"],
    "dnxhr.mov": ["-vf", LARGER, "-c:v", "dnxhd", "-profile:v", "dnxhr_lb", "-pix_fmt", "yuv422p"],
    "animation.mov": ["-c:v", "qtrle", "-pix_fmt", "rgb24"],
    "hap.mov": ["-c:v", "hap", "-pix_fmt", "rgba"],
    "real.rm": ["-c:v", "rv20", "-pix_fmt", "yuv420p", "-g", "12"],
    "wmv2.asf": ["-c:v", "wmv2", "-pix_fmt", "yuv420p", "-g", "12"],
    "vvc.mp4": ["-vf", LARGER, "-c:v", "libvvenc", "-preset", "faster", "-pix_fmt", "yuv420p10le"],
    "theora.ogv": ["-c:v", "libtheora", "-pix_fmt", "yuv420p", "-g", "12"],
    "moving.gif": ["-pix_fmt", "rgb8"],
    "intra_refresh.mp4": [*H264, "-bf", "0", "-x264-params", "intra-refresh=1:keyint=24"],
    "intra_refresh.ts": [*H264, "-bf", "0", "-x264-params", "intra-refresh=1:keyint=24"],
}


def write_odd_video(path):
    """Draw the video that the file's name stands for."""
    if path.name in ENCODERS:
        return write_video(path, RATE, NUM_FRAMES, *ENCODERS[path.name])
    (MADE | COVERS)[path.name](path)
    return path


def _halves(path, *options, second=(), inputs=()):
    """Two recordings of two seconds, as bytes; frames of the second count on."""
    whole = write_video(path.with_name("whole.mkv"), RATE, NUM_FRAMES, "-c:v", "ffv1")
    made = []
    for start, more in ((0, ()), (2, second)):
        half = path.with_name(f"half{start}{path.suffix}")
        source = ["-ss", start, "-t", 2, "-i", whole, *inputs, "-pix_fmt", "yuv420p"]
        ffmpeg(*source, *options, *more, half)
        made.append(half.read_bytes())
    return made


def _size_change(path):
    other = ["-vf", LARGER, "-output_ts_offset", "2.08"]  # B-frames come late
    first, second = _halves(path, *H264, second=other)
    path.write_bytes(first + second[13:])  # without the file's header


def _header_once(path):
    """The second half has a codec header of its own, at its beginning alone."""
    other = ["-vf", LARGER]
    first, second = _halves(path.with_suffix(".h264"), *H264, "-bf", "0", second=other)
    units = second.split(b"\0\0\1")
    kept = [unit for k, unit in enumerate(units) if k < 5 or not unit or unit[0] & 31 not in (7, 8)]
    bare = path.with_name("bare.h264")
    bare.write_bytes(first + b"\0\0\1".join(kept))
    ffmpeg("-r", RATE, "-i", bare, "-c", "copy", path)


def _joined_ts(path):
    path.write_bytes(b"".join(_halves(path, *H264)))


def _joined_with_sound(path):
    tone = ["-f", "lavfi", "-t", "2", "-i", "sine", "-c:a", "mp2"]
    path.write_bytes(b"".join(_halves(path, *H264, inputs=tone)))


def _joined_with_a_gap(path):
    later = ["-output_ts_offset", "60"]
    path.write_bytes(b"".join(_halves(path, *H264, second=later)))


def _joined_ps(path):
    path.write_bytes(b"".join(_halves(path, "-c:v", "mpeg2video", "-g", "12", "-bf", "2")))


def _tracks(path, cover, *options):
    """Two tracks, the second of them numbered frames."""
    video = write_video(path.with_name("moving.mkv"), RATE, NUM_FRAMES, "-c:v", "ffv1")
    inputs = ["-i", cover or video, "-i", video, "-map", "0:v", "-map", "1:v"]
    ffmpeg(*inputs, "-pix_fmt", "yuv420p", *options, path)


def _still_first(path):
    """A cover image before a moving track of the same size."""
    still = path.with_name("still.png")
    ffmpeg("-f", "lavfi", "-i", "color=red:s=80x32", "-frames:v", "1", still)
    coder = ["-c:v:0", "mjpeg", "-c:v:1", "libx264", "-disposition:v:0", "0"]
    default = "default" if "default" in path.name else "0"
    _tracks(path, still, *coder, "-disposition:v:1", default)


def _two_moving(path):
    coder = ["-c:v", "libx264", "-g", "24", "-filter:v:0", f"negate,{LARGER}"]
    _tracks(path, None, *coder, "-disposition:v:0", "0", "-disposition:v:1", "default")


MADE = {
    "size_change.flv": _size_change,
    "header_once.mp4": _header_once,
    "joined.ts": _joined_ts,
    "joined_with_sound.ts": _joined_with_sound,
    "joined_with_a_gap.ts": _joined_with_a_gap,
    "joined.mpg": _joined_ps,
    "still_before_default.mp4": _still_first,
    "still_before_default.mkv": _still_first,
    "two_moving.mp4": _two_moving,
    "two_moving.mkv": _two_moving,
}
NAMES = [*ENCODERS, *MADE]
# Of the same kind, but ffmpeg takes the cover image, as it looks at sizes alone.
COVERS = {"cover.mp4": _still_first, "cover.mkv": _still_first, "cover.avi": _still_first}


def shown_by_ffmpeg(path, width, height):
    """What ffmpeg shows, decoding from the start of the file.

    Returns: [N] when each frame comes on screen, in seconds; [N, height, width, 3] RGB.
    """
    filters = f"showinfo,scale={width}:{height}:flags=area"
    command = [ffmpeg_binary(), "-hide_banner", "-i", path, "-an", "-vf", filters]
    raw = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run([*map(str, command), *raw], capture_output=True, check=True)
    log = done.stderr.decode(errors="replace")
    times = np.array([float(text) for text in re.findall(r"pts_time:\s*(-?[\d.e+-]+)", log)])
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)
    if "Input #0, m4v" in log:  # a bare stream: ffmpeg tells its rate, but no times
        rate = float(re.search(r"([\d.]+) tbr", log)[1])
        times = np.arange(len(frames)) / (rate if rate != 29.97 else 30000 / 1001)
    return times[: len(frames)], frames[: len(times)]


def grey_levels(image, other):
    """Mean difference in brightness of two RGB images."""
    weights = np.array([0.299, 0.587, 0.114])
    return float(np.abs((image.astype(float) - other.astype(float)) @ weights).mean())
