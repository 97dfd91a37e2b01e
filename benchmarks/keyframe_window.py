"""CPU and bytes of one keyframe window, beside decoding it and beside two runs of ffmpeg.

    python -m benchmarks.keyframe_window [--video FILE]

The window is what an 8x8 model may look at around second 5. Without a file, a clip of ten seconds
is made twice, 340x256 and 30 fps in H.264: as ffmpeg codes it when nothing is asked for (a keyframe
every 250 frames at least), and with one every second. Peers, all on one thread:

    decoding      seek and decode the window in this process: what nobody can do without
    two passes    the published preparation: cut two seconds on either side, encoded anew, then
                  JPEGs at 30 fps and -q:v 1
"""

import argparse
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2

from benchmarks.rows import ROOT, Row, compared, cpu_seconds, in_turn, report
from pipeline.core.ffmpeg import ffmpeg_binary
from pipeline.sampling import FPS, Sampling, keyframe_number
from pipeline.settings.params import load_params
from pipeline.settings.sections import ExtractFrames
from pipeline.video.cutting import cut_clip
from pipeline.video.frame_store import FrameStoreWriter
from pipeline.video.shard_extraction import extract_clip

SOURCE = "mandelbrot=s=340x256:r=30:maxiter=300,noise=alls=6:allf=t"  # moves, and has a grain
KEYFRAME_SECONDS = 5
CLIPS = 8  # to a shard: a table is written once for all of them
AROUND_SECONDS = 2  # of the keyframe, in the published preparation
QUALITY = load_params(ROOT / "params.yaml").extract_frames.jpeg_quality
SETTINGS = ExtractFrames(short_side_px=320, jpeg_quality=QUALITY)  # at the clip's own size
TURNS, TURNS_OF_PROGRAMS = 12, 7


def rows(video: Path | None = None) -> Iterator[Row]:
    cv2.setNumThreads(1)  # as extract_frames does
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        videos = {"clip": video} if video else {
            "clip of default encoding": make_clip(folder / "default.mp4"),
            "clip, keyframe each second": make_clip(folder / "each_second.mp4", "-g", "30"),
        }  # fmt: skip
        for name, path in videos.items():
            yield from compare(name, path, folder)


def compare(name: str, video: Path, folder: Path) -> Iterator[Row]:
    """Yield the rows of one video. Times are those of `CLIPS` windows."""
    cut_extract_decode(video, folder)  # does not count
    ours, decoding = zip(*(cut_extract_decode(video, folder) for _ in range(TURNS)), strict=True)
    work = f"keyframe window, {name}"
    yield compared(work, "decoding it", "CPU s", ours, decoding, at_most=1.5)
    contenders = {
        "ours": lambda: cut_extract_decode(video, folder)[0],
        "passes": lambda: CLIPS * two_passes(video, folder),
    }
    measured = in_turn(contenders, TURNS_OF_PROGRAMS)
    peer = "two ffmpeg passes"
    yield compared(work, peer, "CPU s", measured["ours"], measured["passes"], at_most=0.25)
    stored = (folder / "00.tar").stat().st_size / CLIPS
    theirs = sum(path.stat().st_size for path in (folder / "images").iterdir())
    work = f"bytes of a window, {name}"
    yield compared(work, peer, "bytes", [stored], [theirs], at_most=0.55)


def window() -> tuple[int, int]:
    """Return first and last stored frame that training may ask for."""
    before, after = Sampling.parse("8x8").reach
    centre = keyframe_number(KEYFRAME_SECONDS, 0)
    return centre - before, centre + after


def cut_extract_decode(video: Path, folder: Path) -> tuple[float, float]:
    """CPU seconds of a shard of `CLIPS` windows, and of decoding as many, clip by clip in turn."""
    first, last = window()
    numbers = list(range(first, last + 1))
    decoding = cpu_seconds(lambda: decode(video))
    started, floor = time.process_time(), 0.0
    with FrameStoreWriter(folder / "00.tar", folder / "00.parquet") as store:
        for number in range(CLIPS):
            cut = cut_clip(video, folder, f"clip{number}", [(first, last)], 0.0)
            floor += decoding()
            extract_clip(cut, folder, numbers, store, SETTINGS)
    return time.process_time() - started - floor, floor


def decode(video: Path) -> None:
    """The floor: frames are decoded and thrown away."""
    first, last = window()
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        assert stream.time_base is not None
        container.seek(int((first - 1) / FPS / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= (last - 0.5) / FPS:
                break


def two_passes(video: Path, folder: Path) -> float:
    """CPU seconds of the published preparation; its images are left in the folder."""
    part, images = folder / "part.mp4", folder / "images"
    images.mkdir(exist_ok=True)
    start, length = KEYFRAME_SECONDS - AROUND_SECONDS, 2 * AROUND_SECONDS
    cut = ["-ss", start, "-t", length, "-i", video, "-r", "30", "-threads", "1", part]
    image = ["-i", part, "-r", "30", "-q:v", "1", "-threads", "1", images / "img_%05d.jpg"]
    return run_ffmpeg(cut) + run_ffmpeg(image)


def make_clip(path: Path, *options: str) -> Path:
    source = ["-f", "lavfi", "-i", SOURCE, "-t", "10", "-pix_fmt", "yuv420p"]
    coder = ["-c:v", "libx264", "-crf", "28", *options]  # half a megabyte, as such clips are
    run_ffmpeg([*source, *coder, path])
    return path


def run_ffmpeg(arguments: list[object]) -> float:
    """CPU seconds of one run; CalledProcessError when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    head = [ffmpeg_binary(), "-v", "error", "-y", "-threads", "1"]
    subprocess.run([*head, *map(str, arguments)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--video", type=Path, help="a clip of at least seven seconds")
    flags.add_argument("--json", action="store_true", help="print rows as JSON")
    args = flags.parse_args()
    report(lambda: rows(args.video))


if __name__ == "__main__":
    main()
