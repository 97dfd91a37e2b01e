"""Videos whose every frame carries its own number, readable after any encoding.

A frame is two rows of five bright or dark squares: the number's ten bits.
"""

import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np

SQUARE_PX = 16
H264 = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "24"]


def numbered_frame(number):
    bits = [(number >> place) & 1 for place in range(10)]
    squares = np.array(bits, dtype=np.uint8).reshape(2, 5) * 200 + 20
    grey = np.kron(squares, np.ones((SQUARE_PX, SQUARE_PX), dtype=np.uint8))
    return np.repeat(grey[..., None], 3, axis=2)


def read_number(image):
    centres = image[SQUARE_PX // 2 :: SQUARE_PX, SQUARE_PX // 2 :: SQUARE_PX, 1]
    return sum(int(value > 120) << place for place, value in enumerate(centres.ravel()))


def ffmpeg(*arguments, data=b""):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, input=data, check=True, capture_output=True).stdout


def write_video(path, rate, num_frames, *options):
    """Write `num_frames` numbered frames; frame k comes on screen at k / rate."""
    raw = b"".join(numbered_frame(number).tobytes() for number in range(num_frames))
    size = f"{5 * SQUARE_PX}x{2 * SQUARE_PX}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", rate, "-i", "-"]
    coder = ["-pix_fmt", "yuv420p", *(options or H264), "-threads", "1"]
    ffmpeg(*source, *coder, Path(path), data=raw)
    return Path(path)


def edit(path, rate, pieces):
    """Give an MP4 of one track an edit list.

    Args:
        pieces: first frame (None: nothing is shown) and number of frames, whole milliseconds long.
    """
    data = Path(path).read_bytes()
    place = data.index(b"elst")
    (old_size,) = struct.unpack_from(">I", data, place - 4)
    (start,) = struct.unpack_from(">i", data, place + 16)  # where frame 0 lies
    (ticks_per_second,) = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)
    entries = b""
    for first, num_frames in pieces:
        media_time = -1 if first is None else start + int(first / Fraction(rate) * ticks_per_second)
        entries += struct.pack(">IiI", int(num_frames / Fraction(rate) * 1000), media_time, 1 << 16)
    box = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(pieces)) + entries
    edited = bytearray(data[: place - 4] + box + data[place - 4 + old_size :])
    for name in (b"moov", b"trak", b"edts"):
        outer = data.rindex(name, 0, place) - 4
        (size,) = struct.unpack_from(">I", data, outer)
        struct.pack_into(">I", edited, outer, size + len(box) - old_size)
    Path(path).write_bytes(edited)


def on_screen(seconds, times):
    """Which of the frames that come at `times` is on screen, with 1 ms of tolerance."""
    seen = [k for k, time in enumerate(times) if time <= seconds + Fraction(1001, 1000000)]
    return seen[-1] if seen else 0
