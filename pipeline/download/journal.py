"""What a download job has fetched, so that no later run of it fetches that again.

The journal lies beside the files it names, in the job's working folder. One line per event,
appended once the file is whole on the disk; a line cut off by a kill is dropped. When the job is
done its files lie in the folder of videos, and the journal alone stays. Lines of another shape are
left out: what they stand for is downloaded again.
"""

import hashlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from pipeline.clips import is_safe_name
from pipeline.core.atomic import link_or_copy, written
from pipeline.core.locks import held_file
from pipeline.download.data_lock import is_lockable
from pipeline.download.transfer import hash_file
from pipeline.sources.clip_files import MIRROR, Transferred
from pipeline.video.cut_table import Cut

logger = logging.getLogger(__name__)

STRICT = ConfigDict(extra="forbid", strict=True)


def _inside(path: str) -> str:
    """Check a path relative to the working folder; ValueError if it leads elsewhere."""
    if not all(map(is_safe_name, path.split("/"))):
        raise ValueError("leads out of its folder")
    return path


Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
InnerPath = Annotated[str, AfterValidator(_inside)]


@dataclass(frozen=True)
class CutMember:
    """What a file was before it was cut, and what for.

    Attributes:
        bytes, sha256: of the member of the archive, which the data lock knows.
        offset_seconds: where the clip started inside it.
        version: of the cutting.
        row: its row in the table of cut clips.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    bytes: int
    sha256: Digest
    offset_seconds: float
    version: int
    row: Cut


@dataclass(frozen=True)
class Fetched:
    """A clip's file in the working folder.

    Attributes:
        clip: the clip's name.
        path: relative to the working folder.
        bytes, sha256: of the file.
        source: where it came from, as recorded.
        offset_seconds: where the clip starts inside the file; None: as the clip table says.
        address: what the data lock calls it; empty where every download may give other bytes.
        cut: where the file is only what is wanted of what was fetched.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    clip: str
    path: InnerPath
    bytes: int
    sha256: Digest
    source: str
    offset_seconds: float | None = None
    address: str = ""
    cut: CutMember | None = None

    @property
    def upstream(self) -> Transferred:
        """What the host gave."""
        return Transferred((self.cut or self).bytes, (self.cut or self).sha256)


@dataclass(frozen=True)
class Refusal:
    """A clip that a source will never give."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    clip: str
    refused_by: str
    reason: str


@dataclass(frozen=True)
class FinishedArchive:
    """An archive that was read to its end and found whole, and lacks some of the wanted clips.

    Attributes:
        wanted: `digest` of the clips that were looked for.
        clips: those that were taken out.
        reasons: clip to why it was refused.
        version: of a local file; empty for addresses, whose bytes must not change.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    archive: str
    wanted: Digest
    clips: list[str]
    reasons: dict[str, str]
    version: str = ""


NOTE: TypeAdapter[Fetched | Refusal | FinishedArchive] = TypeAdapter(
    Fetched | Refusal | FinishedArchive
)


class Journal:
    """Fetched files and finished archives, in memory and on disk; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "journal.jsonl"
        # All jobs of a pass look for the same clips in their archives.
        self._wanted = folder.parent / ".wanted.partial"
        self._lock = threading.Lock()
        self._fetched: dict[tuple[str, str], Fetched] = {}
        self._finished: dict[str, FinishedArchive] = {}
        self._refusals: dict[tuple[str, str], Refusal] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._load()

    def find(self, clip: str, source: str) -> Fetched | None:
        """What an earlier run fetched of a clip from a source, if it is still there unchanged."""
        with self._lock:
            row = self._fetched.get((clip, source))
        return row if row is not None and self._is_whole(row) else None

    def from_source(self, source: str) -> dict[str, Fetched]:
        """Return clip to file for what earlier runs took out of one archive and is still there."""
        with self._lock:
            rows = [row for row in self._fetched.values() if row.source == source]
        return {row.clip: row for row in rows if self._is_whole(row)}

    def add(self, row: Fetched) -> None:
        with self._lock:
            self._fetched[row.clip, row.source] = row
            self._append(asdict(row))

    def refuse(self, refusal: Refusal) -> None:
        """Note that a clip need not be requested again."""
        with self._lock:
            self._refusals[refusal.clip, refusal.refused_by] = refusal
            self._append(asdict(refusal))

    def refused(self, clip: str, source: str) -> str | None:
        """Why an earlier run was told that there will never be such a file."""
        with self._lock:
            refusal = self._refusals.get((clip, source))
        return refusal.reason if refusal else None

    def finish(self, read: FinishedArchive, wanted: Collection[str]) -> None:
        """Note that an archive was read to its end, in search of some clips."""
        names = self._wanted / f"{read.wanted}.txt"
        with self._lock:
            if not names.exists():
                names.parent.mkdir(exist_ok=True)
                # Begun in the job's own folder: other jobs may be writing the same list.
                with written(self.folder / "wanted.txt") as temporary:
                    temporary.write_text("".join(f"{name}\n" for name in sorted(wanted)))
                (self.folder / "wanted.txt").replace(names)
            self._finished[read.archive] = read
            self._append(asdict(read))

    def finished(self, archive: str) -> FinishedArchive | None:
        """Return how an earlier run's search of an archive ended, if it did."""
        with self._lock:
            return self._finished.get(archive)

    def looked_for(self, read: FinishedArchive, wanted: Collection[str]) -> bool:
        """Return whether a search was for all of these clips, if not for more."""
        if read.wanted == digest(wanted):
            return True
        try:
            names = (self._wanted / f"{read.wanted}.txt").read_text().splitlines()
        except (OSError, ValueError):
            return False
        return set(wanted) <= set(names)

    def adopt(self, videos: Path) -> None:
        """Have at hand what earlier runs have left in the folder of videos."""
        for row in self._fetched.values():
            there, path = videos / Path(row.path).name, self.folder / row.path
            if there.is_file() and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(there, path)

    def tidy(self, rows: Iterable[Fetched]) -> None:
        """Remove all but the notes, once these files lie in the folder of videos.

        Kept is what a later download would have to be equal to. Local files may change, and are
        taken again at no cost, unless an archive would have to be read; so may the demo's mirror.
        """
        read = [each for each in self._finished.values() if MIRROR not in each.archive]
        archives = {each.archive for each in read}
        kept = [row for row in rows if is_lockable(row.source) or row.source in archives]
        refusals = [each for each in self._refusals.values() if is_lockable(each.refused_by)]
        events = [asdict(row) for row in kept]
        events += [asdict(each) for each in refusals] + [asdict(each) for each in read]
        with written(self._path) as temporary:
            lines = sorted(map(json.dumps, events))
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self._path:  # of a killed job
                path.unlink()

    def _is_whole(self, row: Fetched) -> bool:
        try:
            there = hash_file(self.folder / row.path)
        except OSError:  # gone, or something that is no file
            return False
        return (there.bytes, there.sha256) == (row.bytes, row.sha256)

    def _append(self, event: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")

    def _load(self) -> None:
        """Read the notes of earlier runs; drop a line that was cut off, or it would spoil the next.

        Raises:
            NotAFileError: something else lies there.
        """
        if not os.path.lexists(self._path):
            return
        with held_file(self._path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            *lines, rest = file.read().split(b"\n")
            os.truncate(descriptor, os.fstat(descriptor).st_size - len(rest))
        unknown = sum(not self._read(line) for line in lines)
        if unknown:
            logger.warning(
                "%s: left out %d lines that are no notes of this version; what they stand for is "
                "downloaded again",
                self._path,
                unknown,
            )

    def _read(self, line: bytes) -> bool:
        try:
            note = NOTE.validate_json(line)
        except ValidationError:
            return False
        if isinstance(note, FinishedArchive):
            self._finished[note.archive] = note
        elif isinstance(note, Refusal):
            self._refusals[note.clip, note.refused_by] = note
        else:
            self._fetched[note.clip, note.source] = note
        return True


def digest(names: Iterable[str]) -> str:
    """Return a short name for a set of names."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
