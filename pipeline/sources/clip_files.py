"""The clips wanted, the files found, and the names of both.

A source is recorded as params.yaml and the lists name it, `{mirror}` included: the loopback mirror
has another port in every run, and results must not.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.clips import is_safe_name

MIRROR = "{mirror}"
VIDEO_SUFFIXES = {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".nut", ".ogv"}
VIDEO_SUFFIXES |= {".3gp", ".m2ts", ".mts", ".ts", ".webm", ".wmv"}
CLIP_NAME = re.compile(r"(.+)_([0-9]{1,6})_([0-9]{1,6})")


@dataclass(frozen=True)
class WantedClip:
    """A clip as the clip table has it.

    Attributes:
        start_seconds, end_seconds: its place in the video; the end may be infinite.
        offset_seconds: where it starts inside a file of its own name.
    """

    clip: str
    video_id: str
    start_seconds: float
    end_seconds: float
    offset_seconds: float


@dataclass(frozen=True)
class Span:
    """Seconds `start` to `end` of a video; `end` is infinite where all of it is wanted."""

    start: float
    end: float


@dataclass(frozen=True)
class Found:
    """A file that should hold a clip.

    Attributes:
        source: its address or path, as recorded.
        suffix: such as ".mp4".
        offset_seconds: where the clip starts inside the file.
        page: address of the video's page, when yt-dlp is to fetch it from there.
        span: the part of that video to fetch; the file has nothing else.
    """

    source: str
    suffix: str
    offset_seconds: float
    page: str | None = None
    span: Span | None = None


class NamedFiles:
    """Files by the names of the clips and videos that they hold.

    Args:
        paths: of videos; of two with one name the first counts.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._literal: dict[str, str] = {}
        self._read: dict[str, str] = {}  # what a name stands for, where that is another one
        for path in paths:
            literal, *read = clip_names(Path(path).stem)
            self._literal.setdefault(literal, path)
            for name in read:
                self._read.setdefault(name, path)

    def find(self, want: WantedClip) -> tuple[str, float] | None:
        """Return the file of a clip and where the clip starts in it, in seconds; None without one.

        A file named by the clip is preferred to one named by the video, which holds all of it.
        """
        path = self._literal.get(want.clip)
        if path is None and want.clip != want.video_id:
            path = self._read.get(want.clip)
        if path is not None:
            return path, want.offset_seconds
        path = self._literal.get(want.video_id)
        return None if path is None else (path, want.start_seconds)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a published list, without blanks around them; empty ones are left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"{path}: found no such list among the raw annotations") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: found bytes that are not UTF-8 at {error.start}") from None
    return [line for line in map(str.strip, text.split("\n")) if line]


def is_video(path: str) -> bool:
    """Whether a file name, or a path below some folder, is safe to use and ends as a video's does.

    No part of it may lead elsewhere: "..", an absolute path or an address is no such path.
    """
    return all(map(is_safe_name, path.split("/"))) and Path(path).suffix.lower() in VIDEO_SUFFIXES


def clip_names(stem: str) -> tuple[str, ...]:
    """Return the names that a file of this stem may stand for, the literal one first.

    Published clips are called <id>_<start>_<end>, the clip table's have six digits for each second;
    some crawlers leave the leading zeros out. A video's id may look like that as well.
    """
    match = CLIP_NAME.fullmatch(stem)
    full = f"{match[1]}_{int(match[2]):06d}_{int(match[3]):06d}" if match else stem
    return (stem,) if full == stem else (stem, full)


def is_address(source: str) -> bool:
    """Return whether a source is to be fetched over HTTP; otherwise it is a local path."""
    return "://" in source or source.startswith(MIRROR)


def expand(source: str, mirror: str | None) -> str:
    """Return the address to ask, with the loopback mirror's in place of `{mirror}`."""
    if MIRROR not in source:
        return source
    if mirror is None:
        raise ValueError(f"{source}: found {MIRROR} in an address, expected the flag --mirror")
    return source.replace(MIRROR, mirror)
