"""Fetch the clips of one shard into its working folder: several at once, resumable, in any order.

A clip that cannot be had becomes a reason, never an error. An OSError (a full disk) does end the
job; what has been fetched stays in the working folder for the next run.
"""

import shutil
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from pipeline.core.disk_space import disk_named
from pipeline.core.progress import Progress
from pipeline.download.archive_clips import fetch_archive
from pipeline.download.data_lock import DataLock
from pipeline.download.download_job import DownloadJob, Manners
from pipeline.download.download_journal import Fetched, Journal
from pipeline.download.host_slots import HostSlots
from pipeline.download.http_client import open_client
from pipeline.download.member_cutting import MemberCutter
from pipeline.download.single_clips import SingleClip, fetch_single


@dataclass
class Outcome:
    """What became of a shard.

    Attributes:
        fetched: clip to its file in the working folder.
        reasons: clip to why this shard does not have it.
        broken_archives: archive to what was wrong with it.
    """

    fetched: dict[str, Fetched] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    broken_archives: dict[str, str] = field(default_factory=dict)

    def add(self, clips: Mapping[str, Fetched], reasons: Mapping[str, str]) -> None:
        """Merge a result in; what was added before has precedence, a file before a reason."""
        for clip, row in clips.items():
            self.fetched.setdefault(clip, row)
            self.reasons.pop(clip, None)
        for clip, why in reasons.items():
            if clip not in self.fetched:
                self.reasons.setdefault(clip, why)


def fetch_shard(
    singles: Collection[SingleClip],
    archives: Mapping[str, set[str]],
    journal: Journal,
    manners: Manners,
    lock: DataLock,
    cutter: MemberCutter,
    mirror: str | None = None,
) -> Outcome:
    """Fetch what one shard has to fetch.

    Args:
        archives: archive to the clips wanted from it, in order of precedence.
        journal: of the working folder; earlier runs' files in it are used.
        lock: the hashes of what was downloaded before.
        cutter: cuts what comes out of archives.
        mirror: address that stands for `{mirror}`.
    """
    stopped = threading.Event()
    folder = journal.folder
    for abandoned in folder.glob("single/video-*"):  # of a killed job, written to by nobody
        shutil.rmtree(abandoned, ignore_errors=True)
    slots = HostSlots(manners.per_host, stopped, own=mirror)
    with (
        disk_named(folder),
        open_client(manners.patience, manners.connections, slots) as client,
        Progress(None, "download", "B") as progress,
        ThreadPoolExecutor(manners.connections) as pool,
    ):
        num_files = len(singles) + len(archives)
        job = DownloadJob(
            client, manners, lock, journal, mirror, cutter, progress, num_files, stopped
        )
        try:
            return _fetch_all(job, pool, singles, archives)
        finally:
            # When something is raised, or the job is ended, no transfer goes on behind it.
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _fetch_all(
    job: DownloadJob,
    pool: ThreadPoolExecutor,
    singles: Collection[SingleClip],
    archives: Mapping[str, set[str]],
) -> Outcome:
    outcome = Outcome()
    # Archives first: one of them takes longer than many clips.
    from_archives = pool.map(partial(fetch_archive, job), archives, archives.values())
    from_hosts = pool.map(partial(fetch_single, job), singles)
    for single, found in zip(singles, from_hosts, strict=True):
        if isinstance(found, Fetched):
            outcome.add({single.want.clip: found}, {})
        else:
            outcome.add({}, {single.want.clip: found})
    # In the order of the lists, not of arrival: of two with one clip the same one wins.
    for archive, got in zip(archives, from_archives, strict=True):
        outcome.add(got.clips, got.reasons)
        if got.trouble:
            outcome.broken_archives[archive] = got.trouble
    return outcome
