"""What the threads of one download job share: the hosts' limits, the journal, the progress."""

import threading
from dataclasses import dataclass

import httpx

from pipeline.core.progress import Progress
from pipeline.download.data_lock import DataLock
from pipeline.download.download_journal import Fetched, Journal
from pipeline.download.host_slots import HostSlots, StoppedError
from pipeline.download.http_client import Patience
from pipeline.download.http_reader import Opening
from pipeline.download.member_cutting import MemberCutter
from pipeline.download.youtube import YouTubeReader
from pipeline.settings.sections import YouTube


@dataclass(frozen=True)
class Manners:
    """How a job treats the hosts it asks.

    Attributes:
        connections: clips and archives fetched at once.
        per_host: connections to one host, by all jobs on this machine together.
        youtube: pauses and limits for YouTube.
        short_side_px: the smallest pictures wanted where a host offers several.
    """

    patience: Patience
    connections: int
    per_host: int
    youtube: YouTube
    short_side_px: int


class DownloadJob:
    """Shared between threads; each clip and each archive has a place of its own in `folder`.

    Args:
        lock: the hashes of what was downloaded before.
        journal: what earlier runs fetched, in the working folder.
        mirror: address that stands for `{mirror}`.
        cutter: cuts what comes out of archives.
        num_files: clips and archives to fetch.
        stopped: set when no transfer is to go on.
    """

    def __init__(
        self,
        client: httpx.Client,
        manners: Manners,
        lock: DataLock,
        journal: Journal,
        mirror: str | None,
        cutter: MemberCutter,
        progress: Progress,
        num_files: int,
        stopped: threading.Event,
    ) -> None:
        self.client, self.patience, self.mirror = client, manners.patience, mirror
        self.lock, self.cutter = lock, cutter
        self.folder, self.journal = journal.folder, journal
        self.youtube = YouTubeReader(
            manners.youtube,
            manners.patience.timeout_seconds,
            manners.short_side_px,
            HostSlots(manners.youtube.at_once, stopped, own=mirror),
            stopped,
        )
        self._progress, self._lock = progress, threading.Lock()
        self._num_files, self._num_clips = num_files, 0
        self._num_announced, self._announced_bytes = 0, 0
        self._stopped = stopped

    def watch(self) -> "FileWatch":
        """Follows one file."""
        return FileWatch(self)

    def earlier(self, clip: str, source: str) -> Fetched | None:
        """What an earlier run fetched of a clip from a source, if it is what it must be."""
        row = self.journal.find(clip, source)
        return row if row is not None and self._is_as_locked(row) else None

    def earlier_from(self, archive: str) -> dict[str, Fetched]:
        """Clip to file for what earlier runs took out of an archive and what serves this one."""
        rows = self.journal.from_source(archive)
        return {
            clip: row
            for clip, row in rows.items()
            if self._is_as_locked(row) and self.cutter.fits(row)
        }

    def _is_as_locked(self, row: Fetched) -> bool:
        return self.lock.expected(row.address) in (None, row.upstream.sha256)

    def note(self, row: Fetched) -> None:
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


class FileWatch:
    """What came of one file, and what is expected of it, for the job's progress."""

    def __init__(self, job: DownloadJob) -> None:
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
