"""Read HTTP addresses that stall, break off, move and lie; say in few words what is wrong.

Both ways of fetching build on this: `transfer` (one address to one file) and the streamed archives.
"""

import http
import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from pipeline.download.answers import (
    check_host,
    check_kind,
    check_status,
    size_of,
    validator_of,
)
from pipeline.download.http_client import Patience
from pipeline.download.transfer_error import StaleError as StaleError
from pipeline.download.transfer_error import TransferError as TransferError

logger = logging.getLogger(__name__)

LONGEST_RETRY_AFTER_SECONDS = 120.0  # asked for more, a job leaves the file to a later run
# Attempts count anew after so many new bytes: an archive of many gigabytes may break off often.
PROGRESS_BYTES = 1 << 20
SLOWEST_BYTES_PER_SECOND = 1000  # slower than this for a whole time-out is a stall as well
CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")

Received = Callable[[int], None]  # told the size of each piece as it arrives


class Attempts:
    """Counts the failures at one address and waits between them."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._failures = 0
        self._furthest = 0

    def after(self, error: TransferError, position: int) -> None:
        """Wait before the next attempt, or raise when there should be none.

        A server that asks for more time than a job has is not asked again: "try later" it is then,
        which is not final (see `youtube_refusals`).

        Args:
            position: bytes of the file that we have by now.
        """
        if position >= self._furthest + PROGRESS_BYTES:
            self._furthest, self._failures = position, 0
        self._failures += 1
        if error.permanent:
            raise error
        asked_seconds = error.wait_seconds or 0.0
        if asked_seconds > LONGEST_RETRY_AFTER_SECONDS:
            said = f"try later: {error.reason}, asked to wait {asked_seconds:.0f} seconds"
            raise TransferError(said, wait_seconds=asked_seconds) from error
        if self._failures >= self._patience.attempts:
            raise error
        seconds = self._wait_seconds(error)
        logger.debug("%s; next attempt in %.1f s", error.reason, seconds)
        time.sleep(seconds)

    def _wait_seconds(self, error: TransferError) -> float:
        bound = self._patience.first_wait_seconds * 2.0 ** (self._failures - 1)
        # Full jitter: jobs that failed together must not all come back together.
        jitter = random.uniform(0, min(bound, self._patience.longest_wait_seconds))
        if error.wait_seconds is None:
            return jitter
        return error.wait_seconds + jitter


@dataclass(frozen=True)
class Opening:
    """An answer whose body is about to be read.

    Attributes:
        chunks: the body, piece by piece.
        offset: position of the body's first byte within the whole file.
        total: bytes of the whole file, or None when the server does not say.
        validator: what If-Range takes to name this very version, or None.
    """

    chunks: Iterator[bytes]
    offset: int
    total: int | None
    validator: str | None


Opened = Callable[[Opening], None]  # told of an answer before its body is read


@contextmanager
def open_at(
    client: httpx.Client, url: str, offset: int = 0, validator: str | None = None
) -> Iterator[Opening]:
    """Ask for a file from `offset` on; the answer may start at 0 all the same.

    Args:
        offset: bytes that we have already; needs a validator.
        validator: the version that those bytes belong to.

    Raises:
        StaleError: the file is another by now, or not that long.
        TransferError: no usable answer, or the body broke off, while the block runs as well.
    """
    headers = {"Range": f"bytes={offset}-", "If-Range": validator} if offset and validator else {}
    try:
        check_host(httpx.URL(url))
    except (httpx.InvalidURL, UnicodeError) as error:
        raise TransferError(f"not an HTTP address: {error}", permanent=True) from error
    try:
        with client.stream("GET", url, headers=headers) as response:
            yield _opening(response, offset if headers else 0, validator)
    except httpx.UnsupportedProtocol as error:
        raise TransferError(f"not an HTTP address: {error}", permanent=True) from error
    except httpx.TooManyRedirects as error:
        raise TransferError("too many redirects", permanent=True) from error
    except httpx.ConnectTimeout as error:
        raise TransferError("no connection in time") from error
    except httpx.TimeoutException as error:
        raise TransferError("stalled") from error
    except httpx.ConnectError as error:
        raise TransferError(f"cannot connect: {error}") from error
    except httpx.TransportError as error:
        raise TransferError("connection broke off") from error


def stream(
    client: httpx.Client,
    url: str,
    patience: Patience,
    *,
    received: Received = lambda size: None,
    opened: Opened = lambda opening: None,
    start: int = 0,
    validator: str | None = None,
) -> Iterator[bytes]:
    """Yield the bytes of an address once and in order, reconnecting where the connection breaks.

    Where the server takes no ranges, what was yielded before is read again and dropped.

    Args:
        received: told the size of each piece as it arrives.
        opened: told of each answer before its body is read.
        start: the first byte to yield.
        validator: the version that it belongs to; needed unless `start` is 0.

    Raises:
        StaleError: the file changed meanwhile, or nothing tells whether it did.
        TransferError: given up.
    """
    attempts = Attempts(patience)
    position = start
    while True:
        try:
            with open_at(client, url, position, validator) as opening:
                if position and (validator is None or opening.validator != validator):
                    raise StaleError("changed while it was read", permanent=True)
                validator = opening.validator
                behind = position - opening.offset
                opened(opening)
                for chunk in opening.chunks:
                    received(len(chunk))
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


def _opening(response: httpx.Response, offset: int, validator: str | None) -> Opening:
    """Check status and headers of an answer to a request for the bytes from `offset` on."""
    check_status(response)
    check_kind(response)
    found = validator_of(response)
    start, total = 0, response.headers.get("Content-Length", "")
    if response.status_code == http.HTTPStatus.PARTIAL_CONTENT:
        match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if match is None or not offset or int(match.group(1)) != offset:
            raise StaleError("another range than the one asked for")
        if found is not None and found != validator:  # a server that does not know If-Range
            raise StaleError("changed while it was read")
        start, total, found = offset, match.group(3), validator
    timeout_seconds = float(response.request.extensions["timeout"]["read"])
    return Opening(_chunks(response, timeout_seconds), start, size_of(total), found)


def _chunks(response: httpx.Response, timeout_seconds: float) -> Iterator[bytes]:
    """The body as sent; a drip slower than `SLOWEST_BYTES_PER_SECOND` is a TransferError.

    Only the time spent waiting counts, not what the reader does between two pieces.
    """
    body = response.iter_raw()
    waited_seconds, size = 0.0, 0
    while True:
        asked = time.monotonic()
        chunk = next(body, None)
        if chunk is None:
            return
        waited_seconds += time.monotonic() - asked
        size += len(chunk)
        if waited_seconds > timeout_seconds:
            if size < SLOWEST_BYTES_PER_SECOND * waited_seconds:
                raise TransferError("stalled")
            waited_seconds, size = 0.0, 0
        yield chunk
