"""What a download job does for the source of one file."""

from pathlib import Path

from pipeline.core.atomic import link_or_copy
from pipeline.download.answers import TransferError
from pipeline.download.job_context import FileProgress, JobContext
from pipeline.download.journal import Refusal
from pipeline.download.transfer import hash_file, transfer
from pipeline.download.youtube_refusals import FINAL, sort_refusal
from pipeline.sources.clip_files import Found, Transferred, expand


class FileJob(FileProgress):
    """Fetches one file, from whichever of its sources gives it; a `sources.source.FileJob`."""

    def __init__(self, job: JobContext) -> None:
        super().__init__(job)
        self._job = job

    def transfer(self, url: str, recorded: str, target: Path) -> Transferred:
        """Have the file at an address in `target`; for sources on the web.

        Args:
            url: the address, perhaps with a password.
            recorded: the address as it is written down.
            target: path to write.
        """
        job = self._job
        return transfer(
            job.client,
            expand(url, job.mirror),
            target,
            job.retry_policy,
            sha256=job.lock.expected(recorded),
            identity=recorded,
            on_received=self.received,
            on_opened=self.opened,
        )

    def link(self, path: Path, target: Path) -> Transferred:
        """Link a local file where that is possible, so that it takes no second room."""
        try:
            there = hash_file(path)
        except OSError as error:
            raise TransferError(f"cannot be read: {error.strerror}", permanent=True) from error
        if not there.bytes:
            raise TransferError("empty file", permanent=True)
        link_or_copy(path, target)
        self.received(there.bytes)
        return there

    def fetch_section(self, clip: str, found: Found, target: Path) -> Transferred:
        """Have a part of a video on a page that yt-dlp reads; what it refused for good is noted.

        Args:
            clip: name of the clip.
            found: has the page and the part.
            target: path to write.
        """
        assert found.page is not None
        assert found.span is not None
        job = self._job
        reason = job.journal.refused(clip, found.source)
        # Sorted again: an earlier version may have taken a passing trouble for a final word.
        if reason is not None and sort_refusal(reason) in FINAL:
            raise TransferError(reason, permanent=True)
        try:
            got = job.youtube.fetch(expand(found.page, job.mirror), found.span, target)
        except TransferError as error:
            if error.permanent:
                job.journal.refuse(Refusal(clip, found.source, error.reason))
            raise
        self.received(got.bytes)
        return got
