"""Download one address, resumable across broken connections and, into a file, killed jobs.

While it is incomplete a file is called `<name>.part`; `<name>.part.json` beside it says which
version of which address its bytes belong to. Under its own name a file is always whole: it has the
size that was announced, and no other process wrote to it while it came.
"""

import hashlib
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from pipeline.core.disk_space import CHECK_EVERY_BYTES, disk_named, require_space
from pipeline.core.own_files import open_file
from pipeline.download.answers import StaleError, TransferError
from pipeline.download.http import Opening, RetryPolicy, open_at
from pipeline.download.part_file import PartFile, held_part
from pipeline.sources.clip_files import Transferred

logger = logging.getLogger(__name__)

MAX_BYTES = 64 << 30  # of one file; whoever sends more is wrong, or means to fill the disk
HTML_STARTS = (b"<!doctype html", b"<html")
LONGEST_RETRY_AFTER_SECONDS = 120.0  # asked for more, a job leaves the file to a later run
# Attempts count anew after so many new bytes: an archive of many gigabytes may break off often.
PROGRESS_BYTES = 1 << 20

OnReceived = Callable[[int], None]  # called with the size of each piece as it arrives
OnOpened = Callable[[Opening], None]  # called with an answer before its body is read


class StoppedError(Exception):
    """Another thread met an error, or the job is ended: this one need not go on."""


def hash_file(path: Path) -> Transferred:
    """Return size and sha256 of a file that is there already.

    Raises:
        NotAFileError: a pipe or a device, which may never end.
    """
    with open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Transferred(os.fstat(file.fileno()).st_size, digest)


class Attempts:
    """Counts the failures at one address and waits between them.

    By hand: tenacity counts from the first attempt, here every new megabyte starts the count anew.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = self._furthest = 0

    def after(self, error: TransferError, position: int) -> None:
        """Wait before the next attempt, or raise when there should be none.

        A server that asks for more time than a job has is not asked again: "try later" it is then,
        which is not final (see `youtube_refusals`).

        Args:
            error: what went wrong.
            position: bytes of the file that we have by now.
        """
        if position >= self._furthest + PROGRESS_BYTES:
            self._furthest, self._failures = position, 0
        self._failures += 1
        if error.permanent:
            raise error
        requested_seconds = error.wait_seconds or 0.0
        if requested_seconds > LONGEST_RETRY_AFTER_SECONDS:
            said = f"try later: {error.reason}, asked to wait {requested_seconds:.0f} seconds"
            raise TransferError(said, wait_seconds=requested_seconds) from error
        if self._failures >= self._policy.attempts:
            raise error
        bound = self._policy.first_wait_seconds * 2.0 ** (self._failures - 1)
        # Full jitter: jobs that failed together must not all come back together.
        jitter = random.uniform(0, min(bound, self._policy.longest_wait_seconds))
        logger.debug("%s; next attempt in %.1f s", error.reason, requested_seconds + jitter)
        time.sleep(requested_seconds + jitter)


def stream(
    client: httpx.Client,
    url: str,
    policy: RetryPolicy,
    *,
    on_received: OnReceived = lambda size: None,
    on_opened: OnOpened = lambda opening: None,
) -> Iterator[bytes]:
    """Yield the bytes of an address once and in order, reconnecting where the connection breaks.

    Where the server takes no ranges, what was yielded before is read again and dropped.

    Args:
        client: from `open_client`.
        url: the address.
        policy: how long to bear with the server.
        on_received, on_opened: called as the body arrives.

    Raises:
        StaleError: the file changed meanwhile, or nothing tells whether it did.
        TransferError: given up.
    """
    attempts = Attempts(policy)
    position, validator = 0, None
    while True:
        try:
            with open_at(client, url, position, validator) as opening:
                if position and (validator is None or opening.validator != validator):
                    raise StaleError("changed while it was read", permanent=True)
                validator = opening.validator
                behind = position - opening.offset
                on_opened(opening)
                for chunk in opening.chunks:
                    on_received(len(chunk))
                    fresh = chunk[behind:]
                    behind -= len(chunk) - len(fresh)
                    position += len(fresh)
                    if fresh:
                        yield fresh
                if opening.total is not None and position != opening.total:
                    raise TransferError("connection broke off")
                return
        except TransferError as error:
            attempts.after(error, position)


def transfer(
    client: httpx.Client,
    url: str,
    target: Path,
    policy: RetryPolicy,
    *,
    sha256: str | None = None,
    identity: str | None = None,
    on_received: OnReceived = lambda size: None,
    on_opened: OnOpened = lambda opening: None,
) -> Transferred:
    """Download `url` to `target`, continuing what an earlier call left behind.

    Args:
        client: from `open_client`.
        url: the address.
        target: the file to make.
        policy: how long to bear with the server.
        sha256: the hash that the file must have, when it is known.
        identity: name of the address that stays the same between runs (a loopback mirror changes
            its port); the address itself by default.
        on_received, on_opened: called as the body arrives.

    Raises:
        TransferError: no such file, not the right one, or given up; `reason` says why.
        OSError: the disk is full, or will be, or is not writable. What has arrived stays for the
            next call.
    """
    attempts = Attempts(policy)
    with held_part(target, identity or url) as part:
        while True:
            try:
                continued = _complete(client, url, part, on_received, on_opened)
                return _finish(part, target, sha256, continued)
            except TransferError as error:
                if isinstance(error, StaleError):
                    part.empty()
                attempts.after(error, part.size)


def _complete(
    client: httpx.Client, url: str, part: PartFile, on_received: OnReceived, on_opened: OnOpened
) -> bool:
    """Bring the part to its full length; return whether some of it was there before."""
    validator, total = part.version()
    if validator is not None and total is not None and part.size == total > 0:
        return True  # killed between the last byte and the renaming
    with open_at(client, url, part.size if validator else 0, validator) as opening:
        if opening.total is not None and opening.total > MAX_BYTES:
            raise TransferError(f"announced as more than {MAX_BYTES} bytes", permanent=True)
        if opening.offset == 0:
            part.begin(opening)
        on_opened(opening)
        _append(part, opening, on_received)
    if opening.total is not None and part.size != opening.total:
        raise TransferError("connection broke off")
    return opening.offset > 0


def _append(part: PartFile, opening: Opening, on_received: OnReceived) -> None:
    """Write the body behind what is there; the disk and the bytes that come have their limits."""
    size = checked = opening.offset
    folder = part.path.parent
    with open(part.descriptor, "ab", closefd=False) as file, disk_named(folder):
        if opening.total is not None:
            require_space(folder, opening.total - size)
        for chunk in opening.chunks:
            size += len(chunk)
            if opening.total is not None and size > opening.total:
                raise StaleError("longer than announced")
            if size > MAX_BYTES:
                raise StaleError(f"longer than {MAX_BYTES} bytes", permanent=True)
            file.write(chunk)
            on_received(len(chunk))
            if size - checked >= CHECK_EVERY_BYTES:
                file.flush()
                # Where what is left is not announced, so much may come before the next look.
                left = CHECK_EVERY_BYTES if opening.total is None else opening.total - size
                require_space(folder, left)
                checked = size
    if part.size != size:
        raise StaleError("another program wrote to the file while it came")


def _finish(part: PartFile, target: Path, sha256: str | None, continued: bool) -> Transferred:
    """Check the complete part and give it its name; a part that fails is gone."""
    found = hash_file(part.path)
    start = os.pread(part.descriptor, 512, 0).lstrip().lower()
    reason = None
    other = found.sha256 if sha256 not in (None, found.sha256) else None
    if not found.bytes:
        reason = "empty file"
    elif start.startswith(HTML_STARTS):
        reason = "an HTML page instead of the file"
    elif other is not None:
        reason = f"sha256 {other} instead of {sha256}"
    if reason is not None:
        part.empty()
        # Pieces of two attempts that do not fit together deserve one attempt in one piece.
        raise TransferError(reason, permanent=not continued, found=other)
    part.publish(target)
    return found
