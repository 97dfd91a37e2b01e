"""What the threads of one download job share: limits, lock, journal, progress."""

import threading
from dataclasses import dataclass

import httpx

from pipeline.core.progress import Progress
from pipeline.download.data_lock import DataLock
from pipeline.download.http import Opening, RetryPolicy
from pipeline.download.journal import Fetched, Journal
from pipeline.download.member_cutting import MemberCutter
from pipeline.download.transfer import StoppedError
from pipeline.download.youtube import YouTubeReader
from pipeline.settings.sections import YouTube


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
