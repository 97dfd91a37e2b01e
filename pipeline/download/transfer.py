"""Download one address to one file, resumable across broken connections and killed jobs.

While it is incomplete a file is called `<name>.part`; `<name>.part.json` beside it says which
version of which address its bytes belong to. Under its own name a file is always whole.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.core.atomic import sync, written
from pipeline.core.disk_space import CHECK_EVERY_BYTES, disk_named, require_space
from pipeline.download.http_client import Patience
from pipeline.download.http_reader import (
    Attempts,
    Opened,
    Opening,
    Received,
    StaleError,
    TransferError,
    open_at,
)

MAX_BYTES = 64 << 30  # of one file; whoever sends more is wrong, or means to fill the disk
HTML_STARTS = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class Transferred:
    """A file that is there, whole.

    Attributes:
        bytes: its size.
        sha256: hash of its bytes, 64 hex digits.
    """

    bytes: int
    sha256: str


def transfer(
    client: httpx.Client,
    url: str,
    target: Path,
    patience: Patience,
    *,
    sha256: str | None = None,
    identity: str | None = None,
    received: Received = lambda size: None,
    opened: Opened = lambda opening: None,
) -> Transferred:
    """Download `url` to `target`, continuing what an earlier call left behind.

    Args:
        sha256: the hash that the file must have, when it is known.
        identity: name of the address that stays the same between runs (a loopback mirror changes
            its port); the address itself by default.
        received: told the size of each piece as it arrives.
        opened: told of each answer before its body is read.

    Raises:
        TransferError: no such file, not the right one, or given up; `reason` says why.
        OSError: the disk is full, or will be, or is not writable. What has arrived stays for the
            next call.
    """
    part = _Part(target, identity or url)
    attempts = Attempts(patience)
    while True:
        try:
            continued = _fetch(client, url, part, received, opened)
            return _finish(part, target, sha256, continued)
        except TransferError as error:
            if isinstance(error, StaleError):
                part.discard()
            attempts.after(error, part.size)


def hash_file(path: Path) -> Transferred:
    """Size and sha256 of a file that is there already."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Transferred(os.fstat(file.fileno()).st_size, digest)


class _Part:
    """The incomplete file and the note beside it that says what its bytes are."""

    def __init__(self, target: Path, identity: str) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")
        self._identity = identity

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def version(self) -> tuple[str | None, int | None]:
        """Validator and whole size of the file that the part belongs to; None where unknown."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None, None
        if not isinstance(note, dict) or note.get("identity") != self._identity:
            return None, None
        return note.get("validator"), note.get("total")

    def begin(self, opening: Opening) -> None:
        """Empty the part and note the version that now begins."""
        # In this order: a kill in between leaves an empty part, which no note can mislabel.
        self.path.write_bytes(b"")
        with written(self._note) as temporary:
            note = {
                "identity": self._identity,
                "validator": opening.validator,
                "total": opening.total,
            }
            temporary.write_text(json.dumps(note), encoding="utf-8")

    def discard(self) -> None:
        for path in (self.path, self._note):
            with suppress(FileNotFoundError):
                path.unlink()

    def publish(self, target: Path) -> None:
        sync(self.path)
        self.path.replace(target)
        sync(target.parent)
        self.discard()


def _fetch(client: httpx.Client, url: str, part: _Part, received: Received, opened: Opened) -> bool:
    """Bring the part to its full length; return whether some of it was there before."""
    validator, total = part.version()
    if validator is not None and total is not None and part.size == total > 0:
        return True  # killed between the last byte and the renaming
    with open_at(client, url, part.size if validator else 0, validator) as opening:
        if opening.total is not None and opening.total > MAX_BYTES:
            raise TransferError(f"announced as more than {MAX_BYTES} bytes", permanent=True)
        if opening.offset == 0:
            part.begin(opening)
        opened(opening)
        _append(part, opening, received)
    if opening.total is not None and part.size < opening.total:
        raise TransferError("connection broke off")
    return opening.offset > 0


def _append(part: _Part, opening: Opening, received: Received) -> None:
    """Write the body behind what is there; the disk and the bytes that come have their limits."""
    size = checked = opening.offset
    with part.path.open("ab") as file, disk_named(part.path.parent):
        if opening.total is not None:
            require_space(part.path.parent, opening.total - size)
        for chunk in opening.chunks:
            size += len(chunk)
            if opening.total is not None and size > opening.total:
                raise StaleError("longer than announced")
            if size > MAX_BYTES:
                raise StaleError(f"longer than {MAX_BYTES} bytes", permanent=True)
            file.write(chunk)
            received(len(chunk))
            if size - checked >= CHECK_EVERY_BYTES:
                file.flush()
                # Where nobody says what is left, so much may come before the next look.
                left = CHECK_EVERY_BYTES if opening.total is None else opening.total - size
                require_space(part.path.parent, left)
                checked = size


def _finish(part: _Part, target: Path, sha256: str | None, continued: bool) -> Transferred:
    """Check the complete part and give it its name; a part that fails is gone."""
    found = hash_file(part.path)
    with part.path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    reason = None
    other = found.sha256 if sha256 not in (None, found.sha256) else None
    if not found.bytes:
        reason = "empty file"
    elif start.startswith(HTML_STARTS):
        reason = "an HTML page instead of the file"
    elif other is not None:
        reason = f"sha256 {other} instead of {sha256}"
    if reason is not None:
        part.discard()
        # Pieces of two attempts that do not fit together deserve one attempt in one piece.
        raise TransferError(reason, permanent=not continued, found=other)
    part.publish(target)
    return found
