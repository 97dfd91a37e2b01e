"""What the threads of one download job share: limits, lock, journal, progress."""

import threading
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.core.atomic import link_or_copy
from pipeline.core.progress import Progress
from pipeline.download.answers import TransferError
from pipeline.download.data_lock import DataLock
from pipeline.download.http import Opening, RetryPolicy
from pipeline.download.journal import Fetched, Journal, Refusal
from pipeline.download.member_cutting import MemberCutter
from pipeline.download.transfer import StoppedError, Transferred, hash_file, transfer
from pipeline.download.youtube import YouTubeReader
from pipeline.download.youtube_refusals import FINAL, sort_refusal
from pipeline.settings.sections import YouTube
from pipeline.sources.clip_files import Found, expand


@dataclass(frozen=True)
class DownloadLimits:
    """How a job treats the hosts that it asks.

    Attributes:
        retry_policy: how long to bear with one.
        connections: clips and archives fetched at once.
        youtube: pauses and limits for YouTube.
        short_side_px: the smallest frames wanted where a host offers several.
    """

    retry_policy: RetryPolicy
    connections: int
    youtube: YouTube
    short_side_px: int


class JobContext:
    """Shared between threads; each clip and each archive has a path of its own in `folder`.

    Args:
        client: from `open_client`.
        limits: how to treat the hosts.
        lock: the hashes of what was downloaded before.
        journal: what earlier runs fetched, in the working folder.
        mirror: address that stands for `{mirror}`.
        cutter: cuts what comes out of archives.
        progress: shows what has come.
        num_files: clips and archives to fetch.
        stopped: set when no transfer is to go on.
    """

    def __init__(
        self,
        client: httpx.Client,
        limits: DownloadLimits,
        lock: DataLock,
        journal: Journal,
        mirror: str | None,
        cutter: MemberCutter,
        progress: Progress,
        num_files: int,
        stopped: threading.Event,
    ) -> None:
        self.client, self.retry_policy, self.mirror = client, limits.retry_policy, mirror
        self.lock, self.cutter = lock, cutter
        self.folder, self.journal = journal.folder, journal
        timeout_seconds = limits.retry_policy.timeout_seconds
        self.youtube = YouTubeReader(limits.youtube, timeout_seconds, limits.short_side_px, stopped)
        self._progress, self._lock = progress, threading.Lock()
        self._num_files, self._num_clips = num_files, 0
        self._num_announced, self._announced_bytes = 0, 0
        self._stopped = stopped

    def earlier(self, clip: str, source: str) -> Fetched | None:
        """Return what an earlier run fetched of a clip from a source, if it is what it must be."""
        row = self.journal.find(clip, source)
        return row if row is not None and self._is_as_locked(row) else None

    def earlier_from(self, archive: str) -> dict[str, Fetched]:
        """Return clip to file for what earlier runs took out of an archive and serves this one."""
        rows = self.journal.from_source(archive)
        return {
            clip: row
            for clip, row in rows.items()
            if self._is_as_locked(row) and self.cutter.fits(row)
        }

    def _is_as_locked(self, row: Fetched) -> bool:
        return self.lock.expected(row.address) in (None, row.upstream.sha256)

    def add(self, row: Fetched) -> None:
        """Note that a clip is there."""
        self.journal.add(row)
        with self._lock:
            self._num_clips += 1

    def transfer(
        self, url: str, recorded: str, target: Path, progress: "FileProgress"
    ) -> Transferred:
        """Have the file at an address in `target`; for sources on the web.

        Args:
            url: the address, perhaps with a password.
            recorded: the address as it is written down.
            target: path to write.
            progress: told what comes.
        """
        return transfer(
            self.client,
            expand(url, self.mirror),
            target,
            self.retry_policy,
            sha256=self.lock.expected(recorded),
            identity=recorded,
            on_received=progress.received,
            on_opened=progress.opened,
        )

    def link(self, path: Path, target: Path, progress: "FileProgress") -> Transferred:
        """Link a local file where that is possible, so that it takes no second room."""
        try:
            there = hash_file(path)
        except OSError as error:
            raise TransferError(f"cannot be read: {error.strerror}", permanent=True) from error
        if not there.bytes:
            raise TransferError("empty file", permanent=True)
        link_or_copy(path, target)
        progress.received(there.bytes)
        return there

    def fetch_section(
        self, clip: str, found: Found, target: Path, progress: "FileProgress"
    ) -> Transferred:
        """Have a part of a video on a page that yt-dlp reads; what it refused for good is noted.

        Args:
            clip: name of the clip.
            found: has the page and the part.
            target: path to write.
            progress: told what comes.
        """
        assert found.page is not None
        assert found.span is not None
        reason = self.journal.refused(clip, found.source)
        # Sorted again: an earlier version may have taken a passing trouble for a final word.
        if reason is not None and sort_refusal(reason) in FINAL:
            raise TransferError(reason, permanent=True)
        try:
            got = self.youtube.fetch(expand(found.page, self.mirror), found.span, target)
        except TransferError as error:
            if error.permanent:
                self.journal.refuse(Refusal(clip, found.source, error.reason))
            raise
        progress.received(got.bytes)
        return got

    def received(self, num_bytes: int) -> None:
        if self._stopped.is_set():
            raise StoppedError
        with self._lock:
            self._progress.advance(num_bytes, f"{self._num_clips} clips")

    def announced(self, num_files: int, num_bytes: int) -> None:
        """Count files whose size is known now; the others are taken to be like them."""
        with self._lock:
            self._num_announced += num_files
            self._announced_bytes += num_bytes
            mean = self._announced_bytes / self._num_announced
            unknown = max(0, self._num_files - self._num_announced)
            self._progress.expect(self._announced_bytes + mean * unknown)


class FileProgress:
    """What came of one file, and what is expected of it, for the job's progress."""

    def __init__(self, job: JobContext) -> None:
        self._job = job
        self._came = self._expected = 0
        self._known = False

    def received(self, num_bytes: int) -> None:
        self._came += num_bytes
        self._job.received(num_bytes)

    def opened(self, opening: Opening) -> None:
        if opening.total is not None:
            self.announced(opening.total - opening.offset)

    def announced(self, left_bytes: int) -> None:
        """So much is left to come."""
        self._expect(self._came + left_bytes)

    def ended(self) -> None:
        """Nothing more comes, for whatever reason."""
        self._expect(self._came)

    def _expect(self, num_bytes: int) -> None:
        self._job.announced(0 if self._known else 1, num_bytes - self._expected)
        self._expected, self._known = num_bytes, True
