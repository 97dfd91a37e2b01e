"""Fetch clips out of archives, which are streamed and never stored."""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.transfers.archives import keep_members
from pipeline.transfers.download_job import DownloadJob, FileWatch
from pipeline.transfers.download_journal import Fetched, FinishedArchive, digest
from pipeline.transfers.http_reader import stream
from pipeline.transfers.sources import expand, is_address, is_video
from pipeline.transfers.tar_stream import BLOCK_BYTES, DamagedArchiveError, TruncatedArchiveError
from pipeline.transfers.transfer_error import StaleError, TransferError

logger = logging.getLogger(__name__)

ARCHIVE_PASSES = 2  # a second reading tells a spoilt transfer from a spoilt archive


def fetch_archive(
    job: DownloadJob, archive: str, wanted: set[str]
) -> tuple[dict[str, Fetched], dict[str, str], str]:
    """Take the wanted clips out of an archive.

    Returns: clip to file; clip to why it was refused; what is wrong with the archive.
    """
    clips = job.journal.from_source(archive)
    clips = {clip: row for clip, row in clips.items() if clip in wanted}
    before = job.journal.finished(archive, wanted)
    if before is not None and before.num_clips == len(clips):
        return clips, before.reasons, ""
    place = Path(f"archive-{hashlib.sha256(archive.encode()).hexdigest()[:16]}")
    reasons: dict[str, str] = {}
    trouble = ""
    watch = job.watch()
    for _ in range(ARCHIVE_PASSES):
        try:
            _read(job, archive, place, wanted, clips, reasons, watch)
        except (StaleError, TruncatedArchiveError) as error:
            trouble = str(error)
        except DamagedArchiveError as error:
            # Where the damage lies nobody can tell: what came out before may have it too.
            trouble = str(error)
            clips.clear()
            shutil.rmtree(job.folder / place, ignore_errors=True)
        except TransferError as error:
            trouble = error.reason
            break  # has been tried often enough
        else:
            reasons = {clip: why for clip, why in reasons.items() if clip not in clips}
            job.journal.finish(FinishedArchive(archive, digest(wanted), len(clips), reasons))
            return clips, reasons, ""
        finally:
            watch.ended()
    logger.warning("%s: %s; %d clips taken out", archive, trouble, len(clips))
    return clips, reasons, trouble


def _read(
    job: DownloadJob,
    archive: str,
    place: Path,
    wanted: set[str],
    clips: dict[str, Fetched],
    reasons: dict[str, str],
    watch: FileWatch,
) -> None:
    """Read an archive once, adding to `clips` and `reasons` as members come."""

    def choose(name: str) -> str | None:
        stem = Path(name).stem
        return name if stem in wanted and stem not in clips and is_video(name) else None

    for member in keep_members(_chunks(job, archive, watch), choose, job.folder / place):
        clip = Path(member.name).stem
        if member.reason:
            reasons[clip] = member.reason
            continue
        path, address = place / member.name, f"{archive}#{clip}"
        expected = job.lock.expected(address)
        if expected not in (None, member.sha256):
            (job.folder / path).unlink()
            reasons[clip] = f"sha256 {member.sha256} instead of {expected}"
            continue
        clips[clip] = Fetched(
            clip, str(path), member.bytes, member.sha256, archive, address=address
        )
        job.note(clips[clip])


def _chunks(job: DownloadJob, archive: str, watch: FileWatch) -> Iterator[bytes]:
    if is_address(archive):
        url = expand(archive, job.mirror)
        yield from stream(job.client, url, job.patience, watch.received, watch.announced)
        return
    if not Path(archive).is_file():
        raise TransferError("no such file", permanent=True)
    watch.announced(Path(archive).stat().st_size)
    with Path(archive).open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            watch.received(len(block))
            yield block
