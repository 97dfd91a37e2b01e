"""Fetch clips and archives into a job's working folder: several at once, resumable, in any order.

A clip that is not available becomes a reason, never an error. An OSError (a full disk) does end the
job; what has been fetched stays in the working folder for the next run.
"""

import shutil
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pipeline.clips import is_safe_name
from pipeline.core.disk_space import disk_named
from pipeline.core.progress import Progress
from pipeline.download.answers import TransferError
from pipeline.download.archive_reading import fetch_archive
from pipeline.download.data_lock import DataLock
from pipeline.download.file_job import FileJob
from pipeline.download.http import open_client
from pipeline.download.job_context import DownloadLimits, JobContext
from pipeline.download.journal import Fetched, Journal
from pipeline.download.member_cutting import MemberCutter
from pipeline.sources.clip_files import Found, WantedClip, is_address
from pipeline.sources.source import ClipSource


@dataclass(frozen=True)
class SingleClip:
    """A clip to fetch on its own: from the first of `sources` that has it and gives it."""

    want: WantedClip
    sources: list[ClipSource]


@dataclass
class Outcome:
    """What became of a job.

    Attributes:
        fetched: clip to its file in the working folder.
        reasons: clip to why this job does not have it.
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


def fetch(
    singles: Collection[SingleClip],
    archives: Mapping[str, set[str]],
    journal: Journal,
    limits: DownloadLimits,
    lock: DataLock,
    cutter: MemberCutter,
    mirror: str | None,
) -> Outcome:
    """Fetch what a job has to fetch; return what became of it.

    Args:
        singles: clips to fetch one by one.
        archives: archive to the clips wanted from it, in order of precedence.
        journal: of the working folder; earlier runs' files in it are used.
        limits: how to treat the hosts.
        lock: the hashes of what was downloaded before.
        cutter: cuts what comes out of archives.
        mirror: address that stands for `{mirror}`.
    """
    stopped, num_files = threading.Event(), len(singles) + len(archives)
    for abandoned in journal.folder.glob("single/video-*"):  # of a killed job
        shutil.rmtree(abandoned, ignore_errors=True)
    outcome = Outcome()
    with (
        disk_named(journal.folder),
        open_client(limits.retry_policy, limits.connections) as client,
        Progress(None, "download", "B") as progress,
        ThreadPoolExecutor(limits.connections) as pool,
    ):
        job = JobContext(
            client, limits, lock, journal, mirror, cutter, progress, num_files, stopped
        )
        try:
            # Archives first: one of them takes longer than many clips.
            from_archives = pool.map(partial(fetch_archive, job), archives, archives.values())
            from_hosts = pool.map(partial(fetch_single, job), singles)
            for clips, reasons in from_hosts:
                outcome.add(clips, reasons)
            # In the order of the lists, not of arrival: of two with one clip the same one wins.
            for archive, got in zip(archives, from_archives, strict=True):
                outcome.add(got.clips, got.reasons)
                if got.trouble:
                    outcome.broken_archives[archive] = got.trouble
        finally:
            # When something is raised, or the job is ended, no transfer goes on behind it.
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
    return outcome


def fetch_single(job: JobContext, single: SingleClip) -> tuple[dict[str, Fetched], dict[str, str]]:
    """Fetch one clip; return its file by its name, or why none of its sources gave one."""
    want = single.want
    if not (is_safe_name(want.clip) and is_safe_name(want.video_id)):
        return {}, {want.clip: "not a name that can be a file's"}
    reasons = []
    file = FileJob(job)
    try:
        for source in single.sources:
            found = source.find(want)
            if found is None:
                reasons.append(f"not in {source.name}")
                continue
            try:
                return {want.clip: _fetch(job, want.clip, source, found, file)}, {}
            except TransferError as error:
                reasons.append(error.reason)
    finally:
        file.ended()
    return {}, {want.clip: "; ".join(reasons)}


def _fetch(job: JobContext, clip: str, source: ClipSource, found: Found, file: FileJob) -> Fetched:
    # A local file is its owner's to change, and costs nothing to take again.
    earlier = job.earlier(clip, found.source) if is_address(found.source) else None
    if earlier is not None:
        return replace(earlier, offset_seconds=found.offset_seconds)
    path = Path("single", f"{clip}{found.suffix}")
    target = job.folder / path
    target.parent.mkdir(exist_ok=True)
    got = source.fetch(file, clip, found, target)
    # YouTube encodes its videos anew when it likes: its files have no address in the data lock.
    address = "" if found.page is not None else found.source
    row = Fetched(
        clip, str(path), got.bytes, got.sha256, found.source, found.offset_seconds, address
    )
    job.add(row)
    return row
