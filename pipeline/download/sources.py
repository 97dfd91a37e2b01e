"""Where the videos of a part may come from: file lists, local folders, archives, YouTube.

A source is recorded as params.yaml and the lists name it, `{mirror}` included: the loopback mirror
has another port in every run, and results must not.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from pipeline.clips import is_safe_name
from pipeline.settings.sections import ArchivesSource, FilesSource, FolderSource, YouTubeSource
from pipeline.settings.sections import Source as SourceSection

logger = logging.getLogger(__name__)

MIRROR = "{mirror}"
VIDEO_SUFFIXES = {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".nut", ".ogv"}
VIDEO_SUFFIXES |= {".3gp", ".m2ts", ".mts", ".ts", ".webm", ".wmv"}

CLIP_NAME = re.compile(r"(.+)_([0-9]{1,6})_([0-9]{1,6})")
YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")


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


class Source(Protocol):
    """Files that can be had one by one."""

    name: str  # as it is called in the reason for a missing clip

    def find(self, want: WantedClip) -> Found | None:
        """The file of a clip, by the clip's name or else by its video's; None without one."""
        ...


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
        """The file of a clip and where the clip starts in it, in seconds; None without one.

        A file named by the clip is preferred to one named by the video, which holds all of it.
        """
        path = self._literal.get(want.clip)
        if path is None and want.clip != want.video_id:
            path = self._read.get(want.clip)
        if path is not None:
            return path, want.offset_seconds
        path = self._literal.get(want.video_id)
        return None if path is None else (path, want.start_seconds)


class FileList:
    """A published list of file names or paths, all below one web folder."""

    def __init__(self, raw: Path, source: FilesSource) -> None:
        self.name = source.list
        self._url = source.url.rstrip("/")
        lines = read_lines(raw / source.list)
        others = [line for line in lines if not is_video(line)]
        if others:
            logger.warning(
                "%s: found %d lines such as %.200r, expected names of videos below %s",
                source.list,
                len(others),
                others[0],
                source.url,
            )
        # Sorted: of two files of one video the same one is taken whatever the list's order.
        self._files = NamedFiles(sorted(filter(is_video, lines)))

    def find(self, want: WantedClip) -> Found | None:
        if (found := self._files.find(want)) is None:
            return None
        path, offset = found
        return Found(f"{self._url}/{quote(path)}", Path(path).suffix, offset)


class LocalFolder:
    """Videos that lie in a folder already, at any depth, under their clip's or video's name."""

    def __init__(self, source: FolderSource) -> None:
        path = Path(source.path)
        if not path.is_dir():
            raise ValueError(f"sources: {path}: found no folder, expected one with videos")
        self.name = f"folder {path}"
        self._trimmed = source.trimmed
        self._files = NamedFiles(map(str, _walk(path)))

    def find(self, want: WantedClip) -> Found | None:
        if (found := self._files.find(want)) is None:
            return None
        path, offset = Path(found[0]), found[1]
        if self._trimmed and path.stem == want.video_id:
            offset = 0.0
        return Found(str(path), path.suffix, offset)


class VideoSite:
    """Pages of videos, by their ids; whether there is one tells only asking."""

    name = "youtube"

    def __init__(self, source: YouTubeSource) -> None:
        self._url = source.url
        self._any_id = source.url != YouTubeSource.model_fields["url"].default

    def find(self, want: WantedClip) -> Found | None:
        if not (self._any_id or YOUTUBE_ID.fullmatch(want.video_id)):
            return None
        page = self._url.replace("{video_id}", quote(want.video_id))
        span = Span(want.start_seconds, want.end_seconds)
        end = "" if span.end == float("inf") else f",{span.end:g}"
        return Found(f"{page}#t={span.start:g}{end}", ".mp4", 0.0, page, span)


@dataclass(frozen=True)
class Round:
    """The sources of a part that are asked in one round; one of the two lists is empty.

    Attributes:
        single: those that give files one by one, in the order in which they are tried.
        archives: addresses or paths, in the order of their lists.
        whole: those of them whose clips are kept as they are.
    """

    single: list[Source]
    archives: list[str]
    whole: frozenset[str] = frozenset()


def open_round(sources: Iterable[SourceSection], raw: Path) -> Round:
    """Read the lists and folders of a round's sources.

    Args:
        raw: folder of the raw annotations, which holds the lists.

    Raises:
        ValueError: a list or folder is not there.
    """
    single: list[Source] = []
    archives: list[str] = []
    whole: set[str] = set()
    for source in sources:
        if isinstance(source, FilesSource):
            single.append(FileList(raw, source))
        elif isinstance(source, ArchivesSource):
            listed = read_lines(raw / source.list)
            archives += listed
            whole.update(listed if source.keep == "whole" else ())
        elif isinstance(source, YouTubeSource):
            single.append(VideoSite(source))
        else:
            single.append(LocalFolder(source))
    return Round(single, list(dict.fromkeys(archives)), frozenset(whole))


def read_lines(path: Path) -> list[str]:
    """The lines of a published list, without blanks around them; empty ones are left out."""
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
    """The names that a file of this stem may stand for, the literal one first.

    Published clips are called <id>_<start>_<end>, the clip table's have six digits for each second;
    some crawlers leave the leading zeros out. A video's id may look like that as well.
    """
    match = CLIP_NAME.fullmatch(stem)
    full = f"{match[1]}_{int(match[2]):06d}_{int(match[3]):06d}" if match else stem
    return (stem,) if full == stem else (stem, full)


def is_address(source: str) -> bool:
    """Whether a source is to be fetched over HTTP; otherwise it is a local path."""
    return "://" in source or source.startswith(MIRROR)


def expand(source: str, mirror: str | None) -> str:
    """The address to ask, with the loopback mirror's in place of `{mirror}`."""
    if MIRROR not in source:
        return source
    if mirror is None:
        raise ValueError(f"{source}: found {MIRROR} in an address, expected the flag --mirror")
    return source.replace(MIRROR, mirror)


def _walk(folder: Path) -> Iterator[Path]:
    """Every video below a folder in a fixed order; links are followed, each folder entered once."""
    entered: set[Path] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = Path(place).resolve()
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders.sort()
        for name in sorted(names):
            if is_video(name):
                yield Path(place, name)
