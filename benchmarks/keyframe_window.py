"""CPU and bytes of one keyframe window, beside decoding it and beside two runs of ffmpeg.

    python -m benchmarks.keyframe_window [--video FILE] [--quality QUALITY]

The window is what an 8x8 model may look at around second 5. Without a file, a clip of ten seconds
is made twice, 340x256 and 30 fps in H.264: as ffmpeg codes it when nothing is asked for (a keyframe
every 250 pictures at least), and with one every second. Peers, all on one thread:

    decode, PyAV      seek and decode the window in this process: what nobody can do without
    decode, ffmpeg    the same by the program
    two passes        the published preparation: cut two seconds on either side, coded anew, then
                      JPEGs at 30 fps and -q:v 1
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av

from pipeline.frames.cutting import cut_clip
from pipeline.frames.ffmpeg_binary import ffmpeg_binary
from pipeline.frames.frame_store import FrameStoreWriter
from pipeline.frames.shard_extraction import extract_clip
from pipeline.params import load_params
from pipeline.sampling import FPS, Sampling, keyframe_number
from pipeline.sections import ExtractFrames

PARAMS = Path(__file__).resolve().parents[1] / "params.yaml"
SOURCE = "mandelbrot=s=340x256:r=30:maxiter=300,noise=alls=6:allf=t"  # moves, and has a grain
SHORT_SIDE_PX = 320
KEYFRAME_SECONDS = 5
CLIPS = 12  # to a shard: a table is written once for all of them
AROUND_SECONDS = 2  # of the keyframe, in the published preparation


class Cost(NamedTuple):
    cpu_seconds: float
    num_bytes: int  # of the stills


def window() -> tuple[int, int]:
    """First and last stored frame that training may ask for."""
    before, after = Sampling.parse("8x8").reach
    centre = keyframe_number(KEYFRAME_SECONDS, 0)
    return centre - before, centre + after


def decode(video: Path, folder: Path) -> Cost:
    """The floor: pictures are decoded and thrown away."""
    first, last = window()
    start = time.process_time()
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        assert stream.time_base is not None
        container.seek(int((first - 1) / FPS / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= (last - 0.5) / FPS:
                break
    return Cost(time.process_time() - start, 0)


def decode_by_program(video: Path, folder: Path) -> Cost:
    first, last = window()
    cut = ["-ss", f"{(first - 1) / FPS}", "-t", f"{(last - first + 1) / FPS}"]
    return _programs([[*cut, "-i", video, "-f", "null", "-"]])


def two_passes(video: Path, folder: Path) -> Cost:
    part, stills = folder / "part.mp4", folder / "stills"
    stills.mkdir(exist_ok=True)
    start, length = KEYFRAME_SECONDS - AROUND_SECONDS, 2 * AROUND_SECONDS
    cut = ["-ss", start, "-t", length, "-i", video, "-r", "30", "-threads", "1", part]
    still = ["-i", part, "-r", "30", "-q:v", "1", "-threads", "1", stills / "img_%05d.jpg"]
    cpu_seconds = _programs([cut, still]).cpu_seconds
    return Cost(cpu_seconds, sum(path.stat().st_size for path in stills.iterdir()))


def _programs(commands: list[list[object]]) -> Cost:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for arguments in commands:
        head = [ffmpeg_binary(), "-v", "error", "-y", "-threads", "1"]
        subprocess.run([*head, *map(str, arguments)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(used, 0)


def ours(video: Path, folder: Path, quality: int) -> Cost:
    """Cut and extract, the mean of a shard of clips."""
    first, last = window()
    settings = ExtractFrames(short_side_px=SHORT_SIDE_PX, jpeg_quality=quality)
    tar = folder / "00.tar"
    start = time.process_time()
    names = [f"clip{number:02d}" for number in range(CLIPS)]
    cuts = [cut_clip(video, folder, name, [(first, last)], 0.0) for name in names]
    with FrameStoreWriter(tar, folder / "00.parquet") as store:
        for cut in cuts:
            extract_clip(cut, folder, list(range(first, last + 1)), store, settings)
    return Cost((time.process_time() - start) / CLIPS, tar.stat().st_size // CLIPS)


def make_clip(path: Path, *options: str) -> Path:
    source = ["-f", "lavfi", "-i", SOURCE, "-t", "10", "-pix_fmt", "yuv420p"]
    coder = ["-c:v", "libx264", "-crf", "28", *options]  # half a megabyte, as such clips are
    _programs([[*source, *coder, path]])
    return path


def compare(video: Path, folder: Path, quality: int, runs: int) -> None:
    ways: dict[str, Callable[[], Cost]] = {
        "decode, PyAV": lambda: decode(video, folder),
        "decode, ffmpeg": lambda: decode_by_program(video, folder),
        "two passes": lambda: two_passes(video, folder),
        f"ours, quality {quality}": lambda: ours(video, folder, quality),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(runs):  # in turn, so that all see the same machine
        for name, way in ways.items():
            costs[name].append(way())
    cpu = {name: statistics.median(cost.cpu_seconds for cost in costs[name]) for name in ways}
    floor, _, passes, _ = cpu.values()
    most = costs["two passes"][0].num_bytes
    sys.stdout.write(f"{video.name}, median of {runs}: x decode  x two passes  x its bytes\n")
    for name, seconds in cpu.items():
        share = costs[name][0].num_bytes / most
        sys.stdout.write(f"{name:24}{seconds / floor:17.2f}{seconds / passes:14.3f}{share:13.2f}\n")


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--video", type=Path, help="a clip of at least seven seconds")
    flags.add_argument("--quality", type=int, help="of the JPEGs; default: that of params.yaml")
    flags.add_argument("--runs", type=int, default=7)
    args = flags.parse_args()
    quality = args.quality or load_params(PARAMS).extract_frames.jpeg_quality
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        videos = [args.video] if args.video else [
            make_clip(folder / "as_coded_by_default.mp4"),
            make_clip(folder / "keyframe_each_second.mp4", "-g", "30"),
        ]  # fmt: skip
        for video in videos:
            compare(video, folder, quality, args.runs)


if __name__ == "__main__":
    main()
