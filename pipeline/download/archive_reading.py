"""Clips out of archives, which are streamed and never stored.

An archive whose reading was cut short is read again from its start; clips that were taken out and
cut by then stay.
"""

import hashlib
import logging
import shutil
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.secrets import hide_secrets
from pipeline.download.answers import StaleError, TransferError
from pipeline.download.archives import Member, keep_members
from pipeline.download.job_context import FileProgress, JobContext
from pipeline.download.journal import Fetched, FinishedArchive, digest
from pipeline.download.member_cutting import AT_ONCE_BYTES
from pipeline.download.tar_stream import BLOCK_BYTES, DamagedArchiveError, TruncatedArchiveError
from pipeline.download.transfer import stream
from pipeline.sources.clip_files import clip_names, expand, is_address, is_video

logger = logging.getLogger(__name__)

ARCHIVE_READINGS = 2  # a second reading tells a spoilt transfer from a spoilt archive


@dataclass
class FromArchive:
    """What an archive gave.

    Attributes:
        clips: clip to its file.
        reasons: clip to why it was refused.
        trouble: what is wrong with the archive, or empty.
    """

    clips: dict[str, Fetched] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    trouble: str = ""


def fetch_archive(job: JobContext, archive: str, wanted: set[str]) -> FromArchive:
    """Take the wanted clips out of an archive; it is not opened if earlier runs tell all of it."""
    there, before = _earlier(job, hide_secrets(archive), wanted)
    clips = {clip: row for clip, row in there.items() if clip in wanted}
    reading = _Reading(job, archive, wanted, clips)
    if before is not None and clips.keys() == wanted.intersection(before.clips):
        refused = wanted & before.reasons.keys()
        reading.found.reasons = {clip: before.reasons[clip] for clip in refused}
    elif clips.keys() != wanted:
        _read(reading)
    reading.cut()
    return reading.found


def _read(reading: "_Reading") -> None:
    """Read an archive to its end, or say what is wrong with it."""
    found = reading.found
    for _ in range(ARCHIVE_READINGS):
        try:
            reading.read()
        except DamagedArchiveError as error:
            # Where the damage lies is unknown: what came out before may have it too.
            found.trouble = str(error)
            reading.start_over()
        except (StaleError, TruncatedArchiveError) as error:
            found.trouble = str(error)
        except TransferError as error:
            found.trouble = error.reason
            break  # has been tried often enough
        else:
            found.trouble = ""
            reading.finish()
            return
    logger.warning("%s: %s; %d clips taken out", reading.archive, found.trouble, len(found.clips))


def _earlier(
    job: JobContext, archive: str, wanted: set[str]
) -> tuple[dict[str, Fetched], FinishedArchive | None]:
    """What earlier runs took out of an archive, and how they ended if they looked for all this."""
    before = job.journal.finished(archive)
    if before is None:
        return job.earlier_from(archive), None
    if before.version != _local_version(archive):
        return {}, None
    return job.earlier_from(archive), before if job.journal.looked_for(before, wanted) else None


class _Reading:
    """The reading of one archive.

    Args:
        job: that reads it.
        address: or path, perhaps with a password.
        wanted: clips to look for.
        clips: those that earlier runs took out.
    """

    def __init__(
        self, job: JobContext, address: str, wanted: set[str], clips: dict[str, Fetched]
    ) -> None:
        self._job, self._address, self._wanted = job, address, wanted
        self.archive = hide_secrets(address)
        self._folder = Path(f"archive-{hashlib.sha256(self.archive.encode()).hexdigest()[:16]}")
        self._progress = FileProgress(job)
        self.found = FromArchive(clips)
        self._waiting: list[Fetched] = []
        self._waiting_bytes = 0
        for row in clips.values():
            self._have_cut(row)

    def read(self) -> None:
        """Read to the end, adding clips and reasons as members come."""
        folder = self._job.folder / self._folder
        try:
            # Closed at once, not when memory is tidied up: it holds a connection to the host.
            with closing(self._chunks()) as chunks:
                for member in keep_members(chunks, self._choose, folder):
                    self._keep(member)
                    if self._waiting_bytes >= AT_ONCE_BYTES:
                        self.cut()
        finally:
            self._progress.ended()

    def cut(self) -> None:
        """Cut the clips that wait for it."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for row in self._job.cutter.cut(self._job.folder, waiting):
            whole = self._job.folder / self.found.clips[row.clip].path
            self.found.clips[row.clip] = row
            self._job.journal.add(row)  # first: a kill in between leaves a file too many
            if whole.name != Path(row.path).name:
                whole.unlink()

    def finish(self) -> None:
        """Note that the archive was read to its end, so that later runs need not."""
        clips = self.found.clips
        reasons = {clip: why for clip, why in self.found.reasons.items() if clip not in clips}
        self.found.reasons = reasons
        if clips.keys() == self._wanted:
            return  # which tells as much
        # What differs from the data lock may be taken in a later run, if the user says so.
        if not any(why.startswith("sha256 ") for why in reasons.values()):
            version, wanted = _local_version(self.archive), digest(self._wanted)
            read = FinishedArchive(self.archive, wanted, sorted(clips), reasons, version)
            self._job.journal.finish(read, self._wanted)

    def start_over(self) -> None:
        self.found.clips.clear()
        self._waiting, self._waiting_bytes = [], 0
        shutil.rmtree(self._job.folder / self._folder, ignore_errors=True)

    def _choose(self, name: str) -> str | None:
        """Return the name to keep a member under; None for what is not wanted, or is there."""
        for clip in clip_names(Path(name).stem):
            if clip in self._wanted:
                target = f"{clip}{Path(name).suffix}"
                return target if clip not in self.found.clips and is_video(target) else None
        return None

    def _keep(self, member: Member) -> None:
        clip = Path(member.name).stem
        path, address = self._folder / member.name, f"{self.archive}#{clip}"
        expected = self._job.lock.expected(address)
        if member.reason:
            self.found.reasons[clip] = member.reason
        elif expected not in (None, member.sha256):
            (self._job.folder / path).unlink()
            self.found.reasons[clip] = f"sha256 {member.sha256} instead of {expected}"
        else:
            row = Fetched(
                clip, str(path), member.bytes, member.sha256, self.archive, address=address
            )
            self.found.clips[clip] = row
            self._job.add(row)
            self._have_cut(row)

    def _have_cut(self, row: Fetched) -> None:
        if self._job.cutter.is_waiting(row):
            self._waiting.append(row)
            self._waiting_bytes += row.bytes

    def _chunks(self) -> Generator[bytes, None, None]:
        """Yield the archive as it is stored, piece by piece."""
        if is_address(self.archive):
            yield from stream(
                self._job.client,
                expand(self._address, self._job.mirror),
                self._job.retry_policy,
                on_received=self._progress.received,
                on_opened=self._progress.opened,
            )
            return
        path = Path(self.archive)
        if not path.is_file():
            raise TransferError("no such file", permanent=True)
        self._progress.announced(path.stat().st_size)
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                self._progress.received(len(block))
                yield block


def _local_version(archive: str) -> str:
    """Something that changes with a local file; empty for addresses and where there is none."""
    path = Path(archive)
    if is_address(archive) or not path.is_file():
        return ""
    status = path.stat()
    return f"{status.st_mtime_ns}-{status.st_size}"
