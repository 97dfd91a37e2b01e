"""Videos that lie on this machine already."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.atomic import link_or_copy
from pipeline.download.answers import TransferError
from pipeline.download.sources import Found, WantedClip, clip_names, folder_files
from pipeline.download.transfer import Transferred, hash_file
from pipeline.settings.sections import FolderSource

if TYPE_CHECKING:
    from pipeline.download.job_context import FileProgress, JobContext


class LocalFolder:
    """Videos that lie in a folder already, at any depth, under their clip's or video's name."""

    def __init__(self, source: FolderSource, raw: Path) -> None:
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

    def fetch(
        self, job: "JobContext", clip: str, found: Found, target: Path, progress: "FileProgress"
    ) -> Transferred:
        """Link the file where that is possible, so that it takes no second room."""
        source = Path(found.source)
        try:
            there = hash_file(source)
        except OSError as error:
            raise TransferError(f"cannot be read: {error.strerror}", permanent=True) from error
        if not there.bytes:
            raise TransferError("empty file", permanent=True)
        link_or_copy(source, target)
        progress.received(there.bytes)
        return there
