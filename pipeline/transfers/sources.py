"""Where the videos of a part may come from: published file lists, local folders, archives.

A source is recorded as params.yaml and the lists name it, `{mirror}` included: the loopback mirror
has another port in every run, and results must not.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from pipeline.clips import is_safe_name
from pipeline.sections import ArchivesSource, FilesSource, Part

logger = logging.getLogger(__name__)

MIRROR = "{mirror}"
VIDEO_SUFFIXES = {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".nut", ".ogv"}
VIDEO_SUFFIXES |= {".3gp", ".m2ts", ".mts", ".ts", ".webm", ".wmv"}


@dataclass(frozen=True)
class Found:
    """A file that should hold a clip.

    Attributes:
        source: its address or path, as recorded.
        suffix: such as ".mp4".
    """

    source: str
    suffix: str


class Source(Protocol):
    """Files that can be had one by one."""

    name: str  # as it is called in the reason for a missing clip

    def find(self, clip: str, video_id: str) -> Found | None:
        """The file of a clip, by the clip's name or else by its video's; None without one."""
        ...


class FileList:
    """A published list of file names, all in one web folder."""

    def __init__(self, raw: Path, source: FilesSource) -> None:
        self.name = source.list
        self._url = source.url.rstrip("/")
        # Sorted: of two files of one video the same one is taken whatever the list's order.
        names = sorted(line for line in read_lines(raw / source.list) if is_video(line))
        self._names = {Path(name).stem: name for name in reversed(names)}

    def find(self, clip: str, video_id: str) -> Found | None:
        name = self._names.get(clip) or self._names.get(video_id)
        if name is None:
            return None
        return Found(f"{self._url}/{quote(name)}", Path(name).suffix)


class LocalFolder:
    """Videos that lie in a folder already, at any depth, under their clip's or video's name."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise ValueError(f"sources: {path}: found no folder, expected one with videos")
        self.name = f"folder {path}"
        self._paths: dict[str, Path] = {}
        for found in _walk(path):
            self._paths.setdefault(found.stem, found)

    def find(self, clip: str, video_id: str) -> Found | None:
        path = self._paths.get(clip) or self._paths.get(video_id)
        return None if path is None else Found(str(path), path.suffix)


@dataclass(frozen=True)
class PartSources:
    """The sources of one part.

    Attributes:
        single: those that give files one by one, in the order in which they are tried.
        archives: addresses or paths of the archives, in the order of their lists. They are read
            last, whatever their place in params.yaml: reading one costs the same for one clip as
            for all of them.
    """

    single: list[Source]
    archives: list[str]

    def finds(self, clip: str, video_id: str) -> bool:
        return any(source.find(clip, video_id) for source in self.single)


def open_sources(part: Part, raw: Path) -> PartSources:
    """Read the lists and folders of a part.

    Args:
        raw: folder of the raw annotations, which holds the lists.

    Raises:
        ValueError: a list or folder is not there.
    """
    single: list[Source] = []
    archives: list[str] = []
    for source in part.sources:
        if isinstance(source, FilesSource):
            single.append(FileList(raw, source))
        elif isinstance(source, ArchivesSource):
            archives += read_lines(raw / source.list)
        else:
            single.append(LocalFolder(Path(source.path)))
    return PartSources(single, list(dict.fromkeys(archives)))


def read_lines(path: Path) -> list[str]:
    """The lines of a published list, without blanks around them; empty ones are left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"{path}: found no such list among the raw annotations") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: found bytes that are not UTF-8 at {error.start}") from None
    return [line for line in map(str.strip, text.split("\n")) if line]


def is_video(name: str) -> bool:
    """Whether a plain file name, safe to use as one, has the ending of a video."""
    return is_safe_name(name) and Path(name).suffix.lower() in VIDEO_SUFFIXES


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
