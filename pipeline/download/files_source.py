"""Videos on a web server, below one folder, which a published list names."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline.core.secrets import hide_secrets
from pipeline.download.sources import Found, NamedFiles, WantedClip, expand, is_video, read_lines
from pipeline.download.transfer import Transferred, transfer
from pipeline.settings.sections import FilesSource

if TYPE_CHECKING:
    from pipeline.download.job_context import FileProgress, JobContext

logger = logging.getLogger(__name__)


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
        # Sorted: of two files of one video the same one is taken whatever the list's order.
        self._files = NamedFiles(sorted(filter(is_video, lines)))

    def find(self, want: WantedClip) -> Found | None:
        if (found := self._files.find(want)) is None:
            return None
        path, offset = found
        return Found(f"{self._recorded_url}/{quote(path)}", Path(path).suffix, offset)

    def fetch(
        self, job: "JobContext", clip: str, found: Found, target: Path, progress: "FileProgress"
    ) -> Transferred:
        url = self._url + found.source.removeprefix(self._recorded_url)
        return transfer(
            job.client,
            expand(url, job.mirror),
            target,
            job.retry_policy,
            sha256=job.lock.expected(found.source),
            identity=found.source,
            on_received=progress.received,
            on_opened=progress.opened,
        )
