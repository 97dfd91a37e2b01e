"""At most so many connections to one host at a time, counted over all jobs on this machine.

A slot is a lock file, held as long as the connection is open. The kernel drops the lock when its
process ends, however it ends, so that no killed job keeps a slot.
"""

import fcntl
import hashlib
import os
import random
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Self

import httpx

POLL_SECONDS = 0.2


class StoppedError(Exception):
    """Another thread met an error, or the job is ended: this one need not go on."""


class HostSlots:
    """The slots of every host.

    Args:
        limit: connections to one host.
        stopped: ends the waiting of all threads when it is set.
        folder: where the lock files lie; by default one per user and machine.
        own: address of this job's own mirror, which need not be spared.
    """

    def __init__(
        self,
        limit: int,
        stopped: threading.Event | None = None,
        folder: Path | None = None,
        own: str | None = None,
    ) -> None:
        self._limit, self._own = limit, own
        self._stopped = stopped or threading.Event()
        # The machine's own disk: locks on network file systems are slow, and not its business.
        self._folder = folder or Path(tempfile.gettempdir(), f"ava-kinetics-hosts-{os.getuid()}")

    @contextmanager
    def slot(self, url: httpx.URL) -> Iterator[None]:
        """Hold one of the slots of an address's host while the block runs; wait until one is free.

        Raises:
            StoppedError: told to stop while waiting.
        """
        if self._own is not None and url.netloc == httpx.URL(self._own).netloc:
            yield
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(url.host.encode()).hexdigest()[:16]
        while (held := self._take(name)) is None:
            if self._stopped.wait(POLL_SECONDS * random.uniform(0.5, 1.5)):
                raise StoppedError
        with held:
            yield

    def _take(self, name: str) -> IO[bytes] | None:
        for number in range(self._limit):
            file = (self._folder / f"{name}.{number}").open("wb")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                return file
        return None


class HeldSlot:
    """The slot of one transfer, which moves from host to host where redirects lead it.

    Args:
        slots: None where connections are not counted.
    """

    def __init__(self, slots: HostSlots | None) -> None:
        self._slots, self._held = slots, ExitStack()
        self._host = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def move_to(self, url: httpx.URL) -> None:
        """Give the last host's slot back first: two jobs might else wait for each other's."""
        if self._slots is None or url.host == self._host:
            return
        self._held.close()
        self._held.enter_context(self._slots.slot(url))
        self._host = url.host
