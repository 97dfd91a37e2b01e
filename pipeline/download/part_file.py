"""A file that is still coming: its bytes in `<name>.part`, beside it a note on whose they are."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.atomic import sync, written
from pipeline.core.locks import HeldError, held_file
from pipeline.core.own_files import NotAFileError, open_file
from pipeline.download.answers import TransferError
from pipeline.download.http import Opening

MAX_NOTE_BYTES = 1 << 16


class PartFile:
    """The incomplete file, held open, and the note beside it that says what its bytes are."""

    def __init__(self, path: Path, descriptor: int, identity: str) -> None:
        self.path, self.descriptor, self._identity = path, descriptor, identity
        self._note = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def version(self) -> tuple[str | None, int | None]:
        """Validator and whole size of the file that the part belongs to; None where unknown."""
        try:
            with open_file(self._note) as file:
                note = json.loads(file.read(MAX_NOTE_BYTES))
        except (OSError, ValueError, RecursionError):
            return None, None
        if not isinstance(note, dict) or note.get("identity") != self._identity:
            return None, None
        validator, total = note.get("validator"), note.get("total")
        if not isinstance(validator, str) or not validator.isascii():
            return None, None
        return validator, total if type(total) is int else None

    def begin(self, opening: Opening) -> None:
        """Empty the part and note the version that now begins."""
        # In this order: a kill in between leaves an empty part, which no note can mislabel.
        os.ftruncate(self.descriptor, 0)
        note = {"validator": opening.validator, "total": opening.total}
        with written(self._note) as temporary:
            temporary.write_text(json.dumps({"identity": self._identity, **note}), encoding="utf-8")

    def empty(self) -> None:
        os.ftruncate(self.descriptor, 0)
        self._note.unlink(missing_ok=True)

    def publish(self, target: Path) -> None:
        os.fsync(self.descriptor)
        self.path.replace(target)
        sync(target.parent)
        self._note.unlink(missing_ok=True)


@contextmanager
def held_part(target: Path, identity: str) -> Iterator[PartFile]:
    """Hold the part of a target: two transfers that write to one would mix their bytes."""
    path = target.with_name(f"{target.name}.part")
    try:
        with held_file(path, wait_seconds=0) as descriptor:
            part = PartFile(path, descriptor, identity)
            try:
                yield part
            except TransferError:
                if not part.size:
                    part.path.unlink(missing_ok=True)
                raise
    except HeldError:
        raise TransferError("another transfer is writing the same file", permanent=True) from None
    except NotAFileError as error:
        raise TransferError(f"{path.name}: {error.strerror}", permanent=True) from None
