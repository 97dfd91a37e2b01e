"""Videos that lie on this machine already."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from pipeline.sources.clip_files import Found, Transferred, WantedClip, clip_names, folder_files
from pipeline.sources.source import FileJob, Source


class FolderSource(Source):
    """A local folder."""

    label: ClassVar[str] = "folder"
    path: str = Field(min_length=1, description="Path of the folder")
    trimmed: bool = Field(
        False,
        description="Whether a file named by a video's id alone holds one clip, not the video",
    )

    def open(self, _raw: Path) -> "LocalFolder":
        return LocalFolder(self)


class LocalFolder:
    """Videos that lie in a folder already, at any depth, under their clip's or video's name."""

    def __init__(self, source: FolderSource) -> None:
        path = Path(source.path)
        if not path.is_dir():
            raise ValueError(f"sources: {path}: found no folder, expected one with videos")
        self.name = f"folder {path}"
        self._trimmed = source.trimmed
        self._files = folder_files(path)

    def find(self, want: WantedClip) -> Found | None:
        if (found := self._files.find(want)) is None:
            return None
        path, offset = Path(found[0]), found[1]
        if self._trimmed and clip_names(path.stem)[0] == want.video_id:
            offset = 0.0
        return Found(str(path), path.suffix, offset)

    def fetch(self, file: FileJob, clip: str, found: Found, target: Path) -> Transferred:
        return file.link(Path(found.source), target)
