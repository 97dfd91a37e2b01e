"""Fetch clips out of archives, which are streamed and never stored."""

import logging
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.download.archive_checkpoint import (
    Checkpoint,
    CheckpointFile,
    archive_folder,
    checkpoint_path,
)
from pipeline.download.archives import Member, keep_members
from pipeline.download.download_job import DownloadJob
from pipeline.download.download_journal import Fetched, FinishedArchive, digest
from pipeline.download.http_reader import Opening, stream
from pipeline.download.member_cutting import AT_ONCE_BYTES
from pipeline.download.sources import clip_names, expand, is_address, is_video
from pipeline.download.tar_stream import (
    BLOCK_BYTES,
    DamagedArchiveError,
    PlainBytes,
    TruncatedArchiveError,
)
from pipeline.download.transfer_error import StaleError, TransferError

logger = logging.getLogger(__name__)

ARCHIVE_PASSES = 2  # a second reading tells a spoilt transfer from a spoilt archive


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


def fetch_archive(job: DownloadJob, archive: str, wanted: set[str]) -> FromArchive:
    """Take the wanted clips out of an archive."""
    noted, before = _earlier(job, archive, wanted)
    clips = {clip: row for clip, row in noted.items() if clip in wanted}
    reading = _Reading(job, archive, wanted, clips)
    if before is not None and clips.keys() == wanted.intersection(before.clips):
        refused = wanted & before.reasons.keys()
        reading.found.reasons = {clip: before.reasons[clip] for clip in refused}
    elif clips.keys() != wanted:
        if len(noted) < job.journal.num_noted(archive):
            reading.checkpoint.forget()  # a file is lost that may stand before it
        _read(reading)
    reading.cut()
    return reading.found


def _read(reading: "_Reading") -> None:
    """Read an archive to its end, or say what is wrong with it."""
    found = reading.found
    for _ in range(ARCHIVE_PASSES):
        try:
            reading.read()
        except StaleError as error:
            found.trouble = str(error)
            reading.checkpoint.forget()
        except TruncatedArchiveError as error:
            found.trouble = str(error)
        except DamagedArchiveError as error:
            # Where the damage lies nobody can tell: what came out before may have it too.
            found.trouble = str(error)
            reading.start_over()
        except TransferError as error:
            found.trouble = error.reason
            break  # has been tried often enough
        else:
            found.trouble = ""
            reading.finish()
            return
    logger.warning("%s: %s; %d clips taken out", reading.archive, found.trouble, len(found.clips))


def _earlier(
    job: DownloadJob, archive: str, wanted: set[str]
) -> tuple[dict[str, Fetched], FinishedArchive | None]:
    """What earlier runs took out of an archive, and how they ended if they looked for all this."""
    before = job.journal.finished(archive)
    if before is None:
        return job.earlier_from(archive), None
    if before.version != _local_version(archive):
        return {}, None
    return job.earlier_from(archive), before if job.journal.looked_for(before, wanted) else None


class _Reading:
    """The reading of one archive, from its start or from where an earlier run was killed."""

    def __init__(
        self, job: DownloadJob, archive: str, wanted: set[str], clips: dict[str, Fetched]
    ) -> None:
        self._job, self.archive, self._wanted = job, archive, wanted
        self._digest = digest(wanted)
        self._place = Path(archive_folder(archive))
        self._watch = job.watch()
        self._validator: str | None = None
        self.checkpoint = CheckpointFile(checkpoint_path(job.folder, archive))
        self.found = FromArchive(clips)
        self._waiting: list[Fetched] = []
        self._waiting_bytes = 0
        for row in clips.values():
            self._have_cut(row)

    def read(self) -> None:
        """Read to the end, adding clips and reasons as members come."""
        earlier = self.checkpoint.load(self.archive, self._digest)
        if earlier is not None:
            logger.info("%s: goes on at byte %d", self.archive, earlier.place.packed)
            self.found.reasons.update(earlier.reasons)
        try:
            # Closed at once, not when memory is tidied up: they hold a connection to the host.
            with (
                closing(self._chunks(earlier)) as chunks,
                closing(self._members(chunks, earlier)) as members,
            ):
                for member in members:
                    self._keep(member)
                    if self._waiting_bytes >= AT_ONCE_BYTES:
                        self.cut()
        finally:
            self._watch.ended()

    def _members(
        self, chunks: Iterator[bytes], earlier: Checkpoint | None
    ) -> Generator[Member, None, None]:
        yield from keep_members(
            chunks,
            self._choose,
            self._job.folder / self._place,
            start=None if earlier is None else earlier.place,
            at_member=self._note_place,
        )

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
        clips = self.found.clips
        reasons = {clip: why for clip, why in self.found.reasons.items() if clip not in clips}
        self.found.reasons = reasons
        self.checkpoint.forget()
        if clips.keys() == self._wanted:
            return  # which tells as much
        # What differs from the data lock may be taken in a later run, if the user says so.
        if not any(why.startswith("sha256 ") for why in reasons.values()):
            version = _local_version(self.archive)
            read = FinishedArchive(self.archive, self._digest, sorted(clips), reasons, version)
            self._job.journal.finish(read, self._wanted)

    def start_over(self) -> None:
        self.found.clips.clear()
        self._waiting, self._waiting_bytes = [], 0
        self.checkpoint.forget()
        shutil.rmtree(self._job.folder / self._place, ignore_errors=True)

    def _choose(self, name: str) -> str | None:
        for clip in clip_names(Path(name).stem):
            if clip in self._wanted:
                target = f"{clip}{Path(name).suffix}"
                return target if clip not in self.found.clips and is_video(target) else None
        return None

    def _keep(self, member: Member) -> None:
        clip = Path(member.name).stem
        path, address = self._place / member.name, f"{self.archive}#{clip}"
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
            self._job.note(row)
            self._have_cut(row)

    def _have_cut(self, row: Fetched) -> None:
        if self._job.cutter.is_waiting(row):
            self._waiting.append(row)
            self._waiting_bytes += row.bytes

    def _note_place(self, plain: PlainBytes) -> None:
        place = plain.place()
        if self._validator is None or place is None or not self.checkpoint.is_due(place):
            return
        self._job.journal.sync()  # first: what stands before the place must be known
        self.checkpoint.save(
            Checkpoint(self.archive, self._validator, self._digest, place, self.found.reasons)
        )

    def _chunks(self, earlier: Checkpoint | None) -> Generator[bytes, None, None]:
        start = earlier.place.packed if earlier else 0
        validator = earlier.validator if earlier else None
        if is_address(self.archive):
            url = expand(self.archive, self._job.mirror)
            yield from stream(
                self._job.client,
                url,
                self._job.patience,
                received=self._watch.received,
                opened=self._opened,
                start=start,
                validator=validator,
            )
        else:
            yield from self._local_chunks(start, validator)

    def _local_chunks(self, start: int, validator: str | None) -> Iterator[bytes]:
        path = Path(self.archive)
        if not path.is_file():
            raise TransferError("no such file", permanent=True)
        self._validator = _local_version(self.archive)
        if validator not in (None, self._validator):
            raise StaleError("changed while it was read")
        self._watch.announced(path.stat().st_size - start)
        with path.open("rb") as file:
            file.seek(start)
            while block := file.read(BLOCK_BYTES):
                self._watch.received(len(block))
                yield block

    def _opened(self, opening: Opening) -> None:
        self._validator = opening.validator
        self._watch.opened(opening)


def _local_version(archive: str) -> str:
    """Something that changes with a local file; empty for addresses and where there is none."""
    path = Path(archive)
    if is_address(archive) or not path.is_file():
        return ""
    status = path.stat()
    return f"{status.st_mtime_ns}-{status.st_size}"
