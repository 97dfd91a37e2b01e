"""How far the reading of an archive has come, in a file, so that a killed job goes on there."""

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.core.atomic import written
from pipeline.download.gzip_restart import Restart, has_library
from pipeline.download.tar_stream import Place

EVERY_BYTES = 8 << 20  # packed bytes between two checkpoints


@dataclass(frozen=True)
class Checkpoint:
    """The members before `place` are dealt with.

    Attributes:
        archive: its address or path, as recorded.
        validator: which version of it.
        wanted: `digest` of the clips that are looked for.
        place: where to go on.
        reasons: clip to why it was refused so far.
    """

    archive: str
    validator: str
    wanted: str
    place: Place
    reasons: Mapping[str, str]


def checkpoint_path(folder: Path, archive: str) -> Path:
    """Where in the working folder an archive's checkpoint lies."""
    return folder / f"{archive_folder(archive)}.json"


def archive_folder(archive: str) -> str:
    """Name of the folder of what comes out of an archive."""
    return f"archive-{hashlib.sha256(archive.encode()).hexdigest()[:16]}"


class CheckpointFile:
    """The latest checkpoint of one archive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last_packed = 0

    def load(self, archive: str, wanted: str) -> Checkpoint | None:
        """What an earlier run left, if it is about the same and can be used here."""
        try:
            note = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        restart = note["restart"]
        if restart is not None:
            if not has_library():
                return None
            restart = Restart(**{**restart, "window": base64.b64decode(restart["window"])})
        place = Place(note["header"], restart)
        found = Checkpoint(
            note["archive"], note["validator"], note["wanted"], place, note["reasons"]
        )
        if (found.archive, found.wanted) != (archive, wanted):
            return None
        self._last_packed = place.packed
        return found

    def is_due(self, place: Place) -> bool:
        return place.packed >= self._last_packed + EVERY_BYTES

    def save(self, checkpoint: Checkpoint) -> None:
        place = checkpoint.place
        restart = None if place.restart is None else asdict(place.restart)
        if restart is not None:
            restart["window"] = base64.b64encode(restart["window"]).decode("ascii")
        note = {
            "archive": checkpoint.archive,
            "validator": checkpoint.validator,
            "wanted": checkpoint.wanted,
            "header": place.header,
            "restart": restart,
            "reasons": dict(checkpoint.reasons),
        }
        with written(self._path) as temporary:
            temporary.write_text(json.dumps(note), encoding="utf-8")
        self._last_packed = place.packed

    def forget(self) -> None:
        self._last_packed = 0
        with suppress(FileNotFoundError):
            self._path.unlink()
