"""Fetch the clips of one shard into its working folder: several at once, resumable, in any order.

A clip that cannot be had becomes a reason, never an error. An OSError (a full disk) does end the
job; what has been fetched stays in the working folder for the next run.
"""

import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from pipeline.atomic import written
from pipeline.clips import is_safe_name
from pipeline.progress import Progress
from pipeline.transfers.archives import keep_members
from pipeline.transfers.download_journal import Fetched, FinishedArchive, Journal, digest
from pipeline.transfers.http_reader import Patience, StaleError, TransferError, open_client, stream
from pipeline.transfers.sources import Found, Source, expand, is_address, is_video
from pipeline.transfers.tar_stream import BLOCK_BYTES, DamagedArchiveError, TruncatedArchiveError
from pipeline.transfers.transfer import Transferred, hash_file, transfer

logger = logging.getLogger(__name__)

ARCHIVE_PASSES = 2  # a second reading tells a spoilt transfer from a spoilt archive


@dataclass(frozen=True)
class SingleClip:
    """A clip to fetch on its own: the first of `sources` that has it and gives it."""

    clip: str
    video_id: str
    sources: list[Source]


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


class _StoppedError(Exception):
    """Another thread met an error: this one need not go on."""


def fetch_shard(
    singles: Collection[SingleClip],
    archives: Mapping[str, set[str]],
    folder: Path,
    patience: Patience,
    connections: int,
    mirror: str | None = None,
) -> Outcome:
    """Fetch what one shard has to fetch.

    Args:
        archives: archive to the clips wanted from it, in order of precedence.
        folder: the working folder; earlier runs' files in it are used.
        connections: clips and archives fetched at once.
        mirror: address that stands for `{mirror}`.
    """
    outcome = Outcome()
    with (
        open_client(patience, connections) as client,
        Progress(None, "download", "B") as progress,
        ThreadPoolExecutor(connections) as pool,
    ):
        fetch = _Fetch(client, patience, folder, mirror, progress)
        try:
            # Archives first: one of them takes longer than many clips.
            from_archives = pool.map(fetch.archive, archives, archives.values())
            for single, found in zip(singles, pool.map(fetch.single, singles), strict=True):
                if isinstance(found, Fetched):
                    outcome.add({single.clip: found}, {})
                else:
                    outcome.add({}, {single.clip: found})
            # In the order of the lists, not of arrival: of two with one clip the same one wins.
            for archive, (clips, reasons, trouble) in zip(archives, from_archives, strict=True):
                outcome.add(clips, reasons)
                if trouble:
                    outcome.broken_archives[archive] = trouble
        finally:
            # When something is raised, or the job is ended, no transfer goes on behind it.
            fetch.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
    return outcome


class _Fetch:
    """What the threads of one job share. Each clip and each archive has a place of its own."""

    def __init__(
        self,
        client: httpx.Client,
        patience: Patience,
        folder: Path,
        mirror: str | None,
        progress: Progress,
    ) -> None:
        self._client, self._patience, self._mirror = client, patience, mirror
        self._folder, self._journal = folder, Journal(folder)
        self._progress, self._lock = progress, threading.Lock()
        self._num_clips = 0
        self.stopped = threading.Event()

    def single(self, want: SingleClip) -> Fetched | str:
        """Fetch one clip; return its file, or why none of its sources gave one."""
        if not (is_safe_name(want.clip) and is_safe_name(want.video_id)):
            return "not a name that can be a file's"
        reasons = []
        for source in want.sources:
            found = source.find(want.clip, want.video_id)
            if found is None:
                reasons.append(f"not in {source.name}")
                continue
            try:
                return self._file(want.clip, found)
            except TransferError as error:
                reasons.append(error.reason)
        return "; ".join(reasons)

    def archive(
        self, archive: str, wanted: set[str]
    ) -> tuple[dict[str, Fetched], dict[str, str], str]:
        """Take the wanted clips out of an archive.

        Returns: clip to file; clip to why it was refused; what is wrong with the archive.
        """
        clips = self._journal.from_source(archive)
        clips = {clip: row for clip, row in clips.items() if clip in wanted}
        before = self._journal.finished(archive, wanted)
        if before is not None and before.num_clips == len(clips):
            return clips, before.reasons, ""
        place = Path(f"archive-{hashlib.sha256(archive.encode()).hexdigest()[:16]}")
        reasons: dict[str, str] = {}
        trouble = ""
        for _ in range(ARCHIVE_PASSES):
            try:
                self._read_archive(archive, place, wanted, clips, reasons)
            except (StaleError, TruncatedArchiveError) as error:
                trouble = str(error)
            except DamagedArchiveError as error:
                # Where the damage lies nobody can tell: what came out before may have it too.
                trouble = str(error)
                clips.clear()
                shutil.rmtree(self._folder / place, ignore_errors=True)
            except TransferError as error:
                trouble = error.reason
                break  # has been tried often enough
            else:
                reasons = {clip: why for clip, why in reasons.items() if clip not in clips}
                self._journal.finish(FinishedArchive(archive, digest(wanted), len(clips), reasons))
                return clips, reasons, ""
        logger.warning("%s: %s; %d clips taken out", archive, trouble, len(clips))
        return clips, reasons, trouble

    def _read_archive(
        self,
        archive: str,
        place: Path,
        wanted: set[str],
        clips: dict[str, Fetched],
        reasons: dict[str, str],
    ) -> None:
        """Read an archive once, adding to `clips` and `reasons` as members come."""

        def choose(name: str) -> str | None:
            stem = Path(name).stem
            return name if stem in wanted and stem not in clips and is_video(name) else None

        for member in keep_members(self._chunks(archive), choose, self._folder / place):
            clip = Path(member.name).stem
            if member.reason:
                reasons[clip] = member.reason
                continue
            path = str(place / member.name)
            clips[clip] = Fetched(clip, path, member.bytes, member.sha256, archive)
            self._note(clips[clip])

    def _file(self, clip: str, found: Found) -> Fetched:
        """Fetch a clip from the place that a source named."""
        earlier = self._journal.find(clip, found.source)
        if earlier is not None:
            return earlier
        path = Path("single", f"{clip}{found.suffix}")
        target = self._folder / path
        target.parent.mkdir(exist_ok=True)
        if is_address(found.source):
            got = transfer(
                self._client,
                expand(found.source, self._mirror),
                target,
                self._patience,
                identity=found.source,
                received=self._received,
            )
        else:
            got = _take_local(Path(found.source), target)
            self._received(got.bytes)
        row = Fetched(clip, str(path), got.bytes, got.sha256, found.source)
        self._note(row)
        return row

    def _chunks(self, archive: str) -> Iterator[bytes]:
        if is_address(archive):
            url = expand(archive, self._mirror)
            yield from stream(self._client, url, self._patience, self._received)
            return
        if not Path(archive).is_file():
            raise TransferError("no such file", permanent=True)
        with Path(archive).open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                self._received(len(block))
                yield block

    def _received(self, num_bytes: int) -> None:
        if self.stopped.is_set():
            raise _StoppedError
        with self._lock:
            self._progress.advance(num_bytes, f"{self._num_clips} clips")

    def _note(self, row: Fetched) -> None:
        self._journal.add(row)
        with self._lock:
            self._num_clips += 1


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file systems or their rights refuse that."""
    target.unlink(missing_ok=True)
    try:
        # Resolved: the link would otherwise be one to a symbolic link, not to the video.
        os.link(source.resolve(), target)
    except OSError:
        with written(target) as temporary:
            shutil.copyfile(source, temporary)


def _take_local(source: Path, target: Path) -> Transferred:
    """Have a local file in the working folder, without a second copy where that is possible."""
    try:
        there = hash_file(source)
    except OSError as error:
        raise TransferError(f"cannot be read: {error.strerror}", permanent=True) from error
    if not there.bytes:
        raise TransferError("empty file", permanent=True)
    link_or_copy(source, target)
    return there
