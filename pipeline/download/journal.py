"""What a download job has fetched, so that no later run of it fetches that again.

The journal lies beside the files it names, in the job's working folder. One line per event,
appended once the file is whole on the disk; a line cut off by a kill is ignored. When the job is
done its files lie in the folder of videos, and the journal alone stays.
"""

import hashlib
import json
import shutil
import threading
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.core.atomic import link_or_copy, written
from pipeline.download.data_lock import is_lockable
from pipeline.download.transfer import Transferred, hash_file
from pipeline.sources.clip_files import MIRROR


@dataclass(frozen=True)
class CutMember:
    """What a file was before it was cut, and what for.

    Attributes:
        bytes, sha256: of the member of the archive, which the data lock knows.
        offset_seconds: where the clip started inside it.
        version: of the cutting.
        row: its row in the table of cut clips.
    """

    bytes: int
    sha256: str
    offset_seconds: float
    version: int
    row: dict[str, Any]


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

    clip: str
    path: str
    bytes: int
    sha256: str
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

    archive: str
    wanted: str
    clips: list[str]
    reasons: dict[str, str]
    version: str = ""


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
        lines = self._path.read_bytes().split(b"\n") if self._path.exists() else []
        for line in lines:
            self._read(line)
        if lines and lines[-1]:  # end a line that was cut off, or the next one would be lost too
            with self._path.open("ab") as file:
                file.write(b"\n")

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
        except FileNotFoundError:
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
        except FileNotFoundError:
            return False
        return (there.bytes, there.sha256) == (row.bytes, row.sha256)

    def _append(self, event: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")

    def _read(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if "archive" in event:
            self._finished[event["archive"]] = FinishedArchive(**event)
        elif "refused_by" in event:
            refusal = Refusal(**event)
            self._refusals[refusal.clip, refusal.refused_by] = refusal
        else:
            cut = event.pop("cut", None)
            row = Fetched(**event, cut=CutMember(**cut) if cut else None)
            self._fetched[row.clip, row.source] = row


def digest(names: Iterable[str]) -> str:
    """Return a short name for a set of names."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
