"""The clips wanted, the files found, and the names of both.

A source is recorded as params.yaml and the lists name it, `{mirror}` included: the loopback mirror
has another port in every run, and results must not.
"""

import filecmp
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from pipeline.clips import is_safe_name

MIRROR = "{mirror}"
# Endings by which FFmpeg's demuxers, and the people who name files, know videos.
_SUFFIXES = """
    3g2 3gp 264 265 amv asf avi avs divx dv f4v flv gif gxf h261 h263 h264 h265 hevc ivf lvf m1v m2p
    m2t m2ts m2v m4v mj2 mjpeg mjpg mk3d mkv mod mov mp4 mp4v mpe mpeg mpg mpv mts mxf nsv nut obu
    ogg ogm ogv ogx ps qt rm rmvb tod trp ts vob webm wmv wtv xvid y4m
"""
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
CLIP_NAME = re.compile(r"(.+)_([0-9]{1,6})_([0-9]{1,6})")


@dataclass(frozen=True)
class WantedClip:
    """A clip as the clip table has it.

    Attributes:
        start_seconds, end_seconds: the part of the video; the end may be infinite.
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


@dataclass(frozen=True)
class Transferred:
    """A file that is there, whole.

    Attributes:
        bytes: its size.
        sha256: hash of its bytes, 64 hex digits.
    """

    bytes: int
    sha256: str


class NamedFiles:
    """Files by the names of the clips and videos that they hold.

    Args:
        paths: of videos.
        is_same: whether two files of one name hold the same video, so that the first may count.
    """

    def __init__(self, paths: Iterable[str], is_same: Callable[[str, str], bool]) -> None:
        self._literal: dict[str, list[str]] = {}
        self._read: dict[str, list[str]] = {}  # what a name stands for, where that is another one
        self._is_same = is_same
        for path in paths:
            literal, *read = clip_names(Path(path).stem)
            self._literal.setdefault(literal, []).append(path)
            for name in read:
                self._read.setdefault(name, []).append(path)

    @property
    def names(self) -> list[str]:
        """Return the names that clips are looked up by, each as its file is called."""
        return list(self._literal)

    def find(self, want: WantedClip) -> tuple[str, float] | None:
        """Return the file of a clip and where the clip starts in it, in seconds; None without one.

        A file named by the clip is preferred to one named by the video, which holds all of it.

        Raises:
            ValueError: two files of that name with different videos.
        """
        paths = self._literal.get(want.clip)
        if paths is None and want.clip != want.video_id:
            paths = self._read.get(want.clip)
        if paths is not None:
            return self._only(want.clip, paths), want.offset_seconds
        paths = self._literal.get(want.video_id)
        return None if paths is None else (self._only(want.video_id, paths), want.start_seconds)

    def _only(self, name: str, paths: list[str]) -> str:
        for other in paths[1:]:
            if not self._is_same(paths[0], other):
                raise ValueError(
                    f"video {name!r}: found two files of that name, {paths[0]} and {other}, "
                    "expected one: rename one and its rows"
                )
        return paths[0]


def folder_files(folder: Path) -> NamedFiles:
    """Return the videos that lie in a folder, at any depth."""
    return NamedFiles(map(str, _walk(folder)), _is_same_file)


def listed_files(paths: Iterable[str]) -> NamedFiles:
    """Return the files of a published list, paths below one address; others are passed over.

    Sorted: of two files in one folder that differ in their ending alone the same one is taken
    whatever the list's order.
    """
    videos = sorted(path for path in paths if is_video(path))
    return NamedFiles(videos, lambda one, other: Path(one).parent == Path(other).parent)


def _is_same_file(one: str, other: str) -> bool:
    return os.path.samefile(one, other) or filecmp.cmp(one, other, shallow=False)


def _walk(folder: Path) -> Iterator[Path]:
    """Every video below a folder in a fixed order; links are followed, each folder entered once."""
    entered: set[Path] = set()
    for inside, folders, names in os.walk(folder, followlinks=True):
        real = Path(inside).resolve()
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders.sort()
        for name in sorted(names):
            if is_video(name):
                yield Path(inside, name)


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
    some crawlers leave the leading zeros out. A video's id may look like that as well. Names are in
    Unicode's form NFC, as the ids of annotations are, however a file system writes them.
    """
    stem = normalize("NFC", stem)
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
