"""Videos on a web server, below one folder, which a published list names."""

import logging
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from pydantic import Field

from pipeline.core.secrets import hide_secrets
from pipeline.sources.clip_files import (
    Found,
    Transferred,
    WantedClip,
    is_video,
    listed_files,
    read_lines,
)
from pipeline.sources.source import FileJob, Source

logger = logging.getLogger(__name__)


class FilesSource(Source):
    """Single files of one folder on the web."""

    label: ClassVar[str] = "files"
    list: str = Field(description="File among the raw annotations: one file name per line")
    url: str = Field(description="Address of the folder that holds the files")

    def open(self, raw: Path) -> "FileList":
        return FileList(self, raw)


class FileList:
    """A published list of file names or paths, all below one web folder."""

    def __init__(self, source: FilesSource, raw: Path) -> None:
        self.name = source.list
        self._url = source.url.rstrip("/")  # perhaps with a password
        self._recorded_url = hide_secrets(self._url)
        lines = read_lines(raw / source.list)
        others = [line for line in lines if not is_video(line)]
        if others:
            logger.warning(
                "%s: found %d lines such as %.200r, expected names of videos below %s",
                source.list,
                len(others),
                others[0],
                self._recorded_url,
            )
        self._files = listed_files(lines)

    def find(self, want: WantedClip) -> Found | None:
        if (found := self._files.find(want)) is None:
            return None
        path, offset = found
        return Found(f"{self._recorded_url}/{quote(path)}", Path(path).suffix, offset)

    def fetch(self, file: FileJob, clip: str, found: Found, target: Path) -> Transferred:
        url = self._url + found.source.removeprefix(self._recorded_url)
        return file.transfer(url, found.source, target)
