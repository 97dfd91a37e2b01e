"""Which ffmpeg program is run."""

import imageio_ffmpeg


def ffmpeg_binary() -> str:
    """Return the path of the ffmpeg that comes with the Python package imageio-ffmpeg.

    Not the system's: builds differ in their encoders and in the bytes they write; the pinned
    package is the same everywhere and needs no root.
    """
    path: str = imageio_ffmpeg.get_ffmpeg_exe()
    return path
