"""Frames into video files whose bytes depend on the frames alone."""

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import cv2
import ffmpeg
import numpy as np

from pipeline.core.ffmpeg import ffmpeg_binary
from pipeline.demo.film import Film
from pipeline.demo.programme import seeded

# One thread, no random ids, no encoder's name or options in the stream, exact colour conversion.
SAME_BYTES = {
    "threads": 1,
    "fflags": "+bitexact",
    "flags:v": "+bitexact",
    "map_metadata": -1,
    "sws_flags": "accurate_rnd+bitexact",
}
H264 = {"vcodec": "libx264", "preset": "veryfast", "crf": 20, "pix_fmt": "yuv420p"}
VP8 = {
    "vcodec": "libvpx",
    # Not `realtime`: that chooses its effort by the clock, so a busy machine writes other bytes.
    "deadline": "good",
    "cpu-used": 5,
    "crf": 10,
    "video_bitrate": "900k",
    "pix_fmt": "yuv420p",
}
CODECS: dict[str, dict[str, object]] = {
    "mkv": {**H264, "bf": 0, "format": "matroska"},
    # B-frames reorder the packets: the first time stamps of such a file are not zero.
    "mp4": {**H264, "bf": 2, "format": "mp4"},
    "webm": {**VP8, "format": "webm"},
}
KEYFRAME_SECONDS = 2


def encode(film: Film) -> bytes:
    """Return the whole video file of a film.

    Raises:
        OSError: ffmpeg failed; the message is its last line.
    """
    # Films are encoded side by side, one process each: OpenCV's own threads would be in the way.
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "wb+") as log:
        path = Path(folder) / "film"
        process = subprocess.Popen(_command(film, path), stdin=subprocess.PIPE, stderr=log)
        assert process.stdin is not None
        # When ffmpeg gives up early, its exit status and its log say why, not the broken pipe.
        with suppress(BrokenPipeError):
            try:
                for image in film.frames():
                    process.stdin.write(image.tobytes())
            finally:
                process.stdin.close()
        if process.wait() != 0:
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines()
            raise OSError(f"{film.video_id}: ffmpeg failed: {lines[-1] if lines else ''}")
        return path.read_bytes()


def _command(film: Film, path: Path) -> list[str]:
    codec = CODECS[film.container]
    command: list[str] = (
        ffmpeg.input(
            "pipe:",
            format="rawvideo",
            pix_fmt="rgb24",
            s="x".join(map(str, film.size)),
            framerate=str(film.rate),
        )
        .output(
            str(path),
            g=round(KEYFRAME_SECONDS * film.rate),
            loglevel="error",
            **codec,
            **SAME_BYTES,
        )
        .compile(cmd=ffmpeg_binary())
    )
    return command


NOT_A_VIDEO = b"<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"
# Position in the AVA training list: what happened. All three are mkv or lost altogether.
AVA_FAULTS = {1: "missing", 2: "truncated", 7: "corrupt"}
# Positions in the Kinetics training list; and one clip of the validation list.
KINETICS_FAULTS = {4: "missing", 6: "corrupt", 33: "not a video"}
KINETICS_VAL_FAULTS = {7: "missing"}


def spoil(content: bytes, fault: str | None, seed: int) -> bytes | None:
    """Return the file as the mirror has it: None when it is missing there."""
    if fault is None:
        return content
    if fault == "missing":
        return None
    if fault == "truncated":
        return content[: len(content) * 6 // 10]
    if fault == "not a video":
        return NOT_A_VIDEO
    assert fault == "corrupt", fault
    garbage = seeded(seed, "garbage").integers(0, 256, len(content) // 8, np.uint8).tobytes()
    start = len(content) // 2
    return content[:start] + garbage + content[start + len(garbage) :]
