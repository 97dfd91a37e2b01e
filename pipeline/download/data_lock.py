"""Hashes of what was downloaded: the first verified download writes them, later ones must match.

One csv per dataset, `locks/<dataset>.csv`, and for videos one per shard below `locks/<dataset>/`.
They belong into git: a fresh clone then gets the same bytes or an error. Local files are not
locked, they are their owner's to change; nor is the demo's mirror, which this project draws.
"""

import csv
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from pipeline.core.atomic import written
from pipeline.core.secrets import hide_secrets
from pipeline.download.answers import TransferError
from pipeline.download.http import RetryPolicy, open_client
from pipeline.download.transfer import OnReceived, hash_file, transfer
from pipeline.sources.clip_files import MIRROR, Transferred, expand

logger = logging.getLogger(__name__)

COLUMNS = ["address", "sha256", "bytes"]
SIZE = "[0-9]{1,19}"
ACCEPT = "AVA_ACCEPT_CHANGED"  # in the environment: take what differs, and lock that


class DataLock:
    """The locked files of one csv; safe to share between jobs, which may run at once.

    Args:
        path: the csv, which may not be there yet; None locks nothing.
        accept_changed: what differs from the lock is taken and replaces the locked hash.

    Raises:
        ValueError: the csv is damaged.
    """

    def __init__(self, path: Path | None, accept_changed: bool = False) -> None:
        self.path, self._accept = path, accept_changed
        self._rows = {} if path is None else _read(path)

    def expected(self, address: str) -> str | None:
        """Return the hash that a file must have; None where any will do."""
        row = self._rows.get(address)
        return None if row is None or self._accept else row.sha256

    def add(self, files: Mapping[str, Transferred]) -> None:
        """Lock what came from these addresses; a csv that has it all already is not touched.

        Raises:
            ValueError: another job has locked other bytes meanwhile.
        """
        files = {address: got for address, got in files.items() if is_lockable(address)}
        if self.path is None or all(self._rows.get(name) == got for name, got in files.items()):
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The file beside it is never replaced, as the csv is.
        with FileLock(self.path.with_name(f".{self.path.name}.held")):
            rows = _read(self.path)
            for address, got in files.items():
                there = rows.get(address, got)
                if there != got and not self._accept:
                    raise ValueError(f"{address}: {self.mismatch(got.sha256, there.sha256)}")
            rows |= files
            with written(self.path) as temporary:
                _write(temporary, rows)
        self._rows = rows

    def mismatch(self, found: str, expected: str) -> str:
        """Return what to tell the user about a file that has changed."""
        return (
            f"sha256 {found} instead of {expected}, which {self.path} has locked; "
            f"{ACCEPT}=1 in the environment takes the new file"
        )


UNLOCKED = DataLock(None)


def fetch_locked(
    address: str,
    target: Path,
    policy: RetryPolicy,
    lock: DataLock,
    *,
    sha256: str | None = None,
    mirror: str | None = None,
    client: httpx.Client | None = None,
    on_received: OnReceived = lambda size: None,
) -> Transferred:
    """Download `address` to `target` unless a file with the expected hash is there.

    A name and password in the address are used, and never recorded. Jobs that want the same
    target at once take turns; what one has fetched the next one uses.

    Args:
        address: as recorded.
        target: the file.
        policy: how long to bear with a server.
        lock: the hashes of what was downloaded before; a new address is locked.
        sha256: hash pinned in params.yaml; the lock is not asked then.
        mirror: address that stands for `{mirror}`.
        client: from `open_client`; by default one of its own.
        on_received: called with the size of each piece as it arrives.

    Raises:
        ValueError: it is not available, or has changed; the line names the address and both hashes.
    """
    url, address = expand(address, mirror), hide_secrets(address)
    expected = sha256 or lock.expected(address)
    if (there := _usable(target, expected)) is not None:
        return there
    before = _version(target)
    with _fetching(target):
        # Another job may have brought it meanwhile; its address is the same, so it will do.
        got = _usable(target, expected, _version(target) not in (None, before))
        try:
            if got is None:
                have = partial(transfer, sha256=expected, identity=address, on_received=on_received)
                with nullcontext(client) if client else open_client(policy) as web:
                    got = have(web, url, target, policy)
        except TransferError as error:
            why = error.reason
            if error.found is not None and sha256 is None and expected is not None:
                why = lock.mismatch(error.found, expected)
            raise ValueError(f"{address}: {why}") from None
    if sha256 is None:
        lock.add({address: got})
    return got


def is_lockable(address: str) -> bool:
    return "://" in address and MIRROR not in address


def open_lock(path: Path | None, accept_changed: bool) -> DataLock:
    """Return the lock of a csv; the environment too may say to take what differs."""
    return DataLock(path, accept_changed or os.environ.get(ACCEPT, "") not in ("", "0"))


@contextmanager
def _fetching(target: Path) -> Iterator[None]:
    """Keep other jobs from fetching the same target; no file of the lock stays behind."""
    path = target.with_name(f".{target.name}.held")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("%s: another job is fetching it, waiting", target.name)
        lock.acquire()
    try:
        yield
    finally:
        # While it is held: whoever waits for it sees that, and takes the next one.
        path.unlink(missing_ok=True)
        lock.release()


def _version(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is replaced; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _usable(path: Path, expected: str | None, is_new: bool = False) -> Transferred | None:
    """Return the file that is there, if it is the expected one; where any will do, if it is new."""
    if not path.is_file() or (expected is None and not is_new):
        return None
    there = hash_file(path)
    return there if expected in (None, there.sha256) else None


def _read(path: Path) -> dict[str, Transferred]:
    try:
        file = path.open(encoding="utf-8", newline="")
    except FileNotFoundError:
        return {}
    locked = {}
    with file:
        rows = csv.reader(file)
        try:
            if next(rows, None) != COLUMNS:
                raise ValueError(f"expected the columns {COLUMNS}")
            for row in rows:
                if len(row) != 3 or len(row[1]) != 64 or re.fullmatch(SIZE, row[2]) is None:
                    raise ValueError(
                        f"line {rows.line_num}: found {str(row)[:200]}, expected {COLUMNS}"
                    )
                locked[row[0]] = Transferred(int(row[2]), row[1])
        except (ValueError, csv.Error) as error:  # also bytes that are no UTF-8
            raise ValueError(f"{path}: {error}; take an earlier version of it from git") from None
    return locked


def _write(path: Path, rows: Mapping[str, Transferred]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows((address, got.sha256, got.bytes) for address, got in sorted(rows.items()))
