"""Clips of made-up frames: in a frame store, and as the original keeps them, a file per frame."""

import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.annotations.index_schema import INDEX_SCHEMA
from pipeline.core.ffmpeg import ffmpeg_binary
from pipeline.settings.params import load_params
from pipeline.training.keyframe_index import KeyframeIndex
from pipeline.video.frame_store import Frames, FrameStoreWriter
from pipeline.video.jpeg import encode_rgb

NUM_FRAMES = 70  # of a clip: what 8x8 looks at, jitter and all
KEYFRAME = 36
FALL = 1.5  # power of the frequency
PEOPLE = 3  # of a keyframe, labelled and detected
ROOT = Path(__file__).resolve().parents[1]


def write_clips(folder: Path, num_clips: int, width: int, height: int) -> KeyframeIndex:
    """Write `store/` and, for each clip, `files/<clip>/img_00001.jpg` and so on.

    Returns: one keyframe with people per clip.
    """
    quality = load_params(ROOT / "params.yaml").extract_frames.jpeg_quality
    clips = [f"clip{number:03d}" for number in range(num_clips)]
    (folder / "store").mkdir(parents=True)
    with FrameStoreWriter(folder / "store/00.tar", folder / "store/00.parquet") as store:
        for number, clip in enumerate(clips):
            frames = made_frames(width, height, seed=number)
            for place, frame in enumerate(frames):
                store.add(clip, place + 1, encode_rgb(frame, quality), width, height)
            _write_files(frames, folder / "files" / clip)
    return made_index(clips, width, height)


def made_frames(width: int, height: int, seed: int) -> Frames:
    """Return [NUM_FRAMES, height, width, 3] a frame that moves slowly.

    Detail falls off with its fineness so fast that a still has the bytes of a film's: at 340x256
    some 20 kB as we store it and 23 kB as the original does, where a clip of AVA has 20 and 22.
    """
    draw = np.random.default_rng(seed)
    wide, high = width + NUM_FRAMES, height
    distance = np.hypot(np.fft.fftfreq(high)[:, None], np.fft.rfftfreq(wide)[None])
    noise = np.fft.rfft2(draw.normal(size=(3, high, wide))) / np.maximum(distance, 1 / wide) ** FALL
    frame = np.fft.irfft2(noise, s=(high, wide)).transpose(1, 2, 0)
    # Neighbouring colours are alike, as in photographs.
    frame = 0.2 * frame + 0.8 * frame.mean(axis=2, keepdims=True)
    pixels = np.clip(128 + 45 * frame / frame.std(), 0, 255).astype(np.uint8, order="C")
    return np.stack([pixels[:, start : start + width] for start in range(NUM_FRAMES)])


def _write_files(frames: Frames, folder: Path) -> None:
    """As the original's tools do: by ffmpeg, at its best JPEG quality; videos are 4:2:0."""
    folder.mkdir(parents=True)
    height, width = frames.shape[1:3]
    command = [ffmpeg_binary(), "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-i", "-", "-pix_fmt", "yuvj420p", "-q:v", "1"]
    command += [str(folder / "img_%05d.jpg")]
    subprocess.run(command, input=frames.tobytes(), check=True)


def made_index(clips: list[str], width: int, height: int) -> KeyframeIndex:
    """One keyframe of each clip, with people, their boxes and their actions."""
    draw = np.random.default_rng(0)
    low = draw.uniform(0, 0.5, (len(clips), PEOPLE, 2))
    boxes = np.concatenate([low, low + draw.uniform(0.2, 0.5, low.shape)], axis=2)
    sure = np.full((len(clips), PEOPLE, 1), 0.95)
    columns = {
        "subset": ["made"] * len(clips),
        "video_id": clips,
        "timestamp": [float(KEYFRAME)] * len(clips),
        "clip": clips,
        "shard": ["00"] * len(clips),
        "frame": [KEYFRAME] * len(clips),
        "last_frame": [NUM_FRAMES] * len(clips),
        "width": [width] * len(clips),
        "height": [height] * len(clips),
        "boxes": boxes.reshape(len(clips), -1).tolist(),
        "labels": [[[12, 80]] * PEOPLE] * len(clips),
        "proposals": np.concatenate([boxes, sure], axis=2).reshape(len(clips), -1).tolist(),
    }
    return KeyframeIndex(pa.table(columns, schema=INDEX_SCHEMA))
