"""Ask for files over HTTP: the client of a job, its deadlines and its mistakes.

`transfer` builds on this: an address becomes one file, or the bytes of a streamed archive.
"""

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import httpx

from pipeline.download.answers import (
    StaleError,
    TransferError,
    check_host,
    check_kind,
    check_redirect,
    check_status,
    size_of,
    validator_of,
)

MAX_REDIRECTS = 10
MAX_REDIRECT_BYTES = 1 << 16  # of the page that comes with one
CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
SLOWEST_BYTES_PER_SECOND = 1000  # slower than this for a whole time-out is a stall as well
HEADER_TIMEOUTS = 3  # until the last header of an answer, connection and redirects included
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")

# What httpx raises, what to say of it, and whether asking again is of no use.
MISTAKES: tuple[tuple[type[httpx.HTTPError], str, bool], ...] = (
    (httpx.UnsupportedProtocol, "not an HTTP address: {}", True),
    (httpx.ConnectTimeout, "no connection in time", False),
    (httpx.TimeoutException, "stalled", False),
    (httpx.ConnectError, "cannot connect: {}", False),
    (httpx.TransportError, "connection broke off", False),
)


@dataclass(frozen=True)
class RetryPolicy:
    """How long to bear with a server."""

    timeout_seconds: float  # silence that counts as a broken connection
    attempts: int  # failures in a row before an address is given up
    first_wait_seconds: float = 1.0  # bound of the first random wait, doubled with every failure
    longest_wait_seconds: float = 60.0


def open_client(policy: RetryPolicy, connections: int = 1) -> httpx.Client:
    """Return a client to share between threads: proxies from the environment, none for loopback.

    Args:
        connections: at once, to all hosts.

    Raises:
        ValueError: a proxy of the environment cannot be used.
    """
    try:
        return httpx.Client(
            timeout=httpx.Timeout(policy.timeout_seconds, pool=None),
            # Each request has a connection of its own, so that a deadline can end it alone.
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=0),
            mounts={f"all://{host}": None for host in LOOPBACK_HOSTS},
            event_hooks={"response": [check_redirect]},
            # The published bytes, not an encoding of them: lengths, ranges and hashes count.
            headers={"Accept-Encoding": "identity", "User-Agent": "ava-kinetics-pipeline"},
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:  # ImportError: of SOCKS
        raise ValueError(_proxy_mistake(error)) from None


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


@contextmanager
def open_at(
    client: httpx.Client, url: str, offset: int = 0, validator: str | None = None
) -> Iterator[Opening]:
    """Request a file from `offset` on; the answer may start at 0 all the same.

    Args:
        client: from `open_client`.
        url: the address.
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
        # What cannot be read as an address may show a piece of its password.
        why = "" if "@" in url else f": {error}"
        raise TransferError(f"not an HTTP address{why}", permanent=True) from error
    timeout_seconds = float(client.timeout.read or 0.0)
    deadline = _Deadline(HEADER_TIMEOUTS * timeout_seconds)
    try:
        with ExitStack() as held:
            with deadline:
                request = client.build_request(
                    "GET", url, headers=headers, extensions=deadline.extensions
                )
                response = held.enter_context(closing(_follow(client, request)))
            chunks = _chunks(response, timeout_seconds)
            yield _opening(response, chunks, offset if headers else 0, validator)
    except httpx.HTTPError as error:
        if deadline.passed:
            raise TransferError("stalled") from error
        said, permanent = next((s, p) for kind, s, p in MISTAKES if isinstance(error, kind))
        raise TransferError(said.format(error), permanent=permanent) from error


def _follow(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Return the first answer that is no redirect.

    httpx itself would read the page of a redirect to its end, however long, into memory. A short
    one is read here, too: a host that sends it byte by byte would send the file in the same way.
    """
    for _ in range(MAX_REDIRECTS + 1):
        response = client.send(request, stream=True, follow_redirects=False)
        if response.next_request is None:
            return response
        with closing(response):
            size = 0
            for chunk in response.iter_raw():
                size += len(chunk)
                if size > MAX_REDIRECT_BYTES:
                    break
        request = response.next_request
    raise TransferError("too many redirects", permanent=True)


class _Deadline:
    """Ends a request whose answer does not begin in time.

    The time-out of httpx counts anew with every byte: headers sent byte by byte, or one 103 after
    the other, would keep a job waiting for ever.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self.extensions = {"trace": self._follow}
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        for each in self._sockets:
            each.close()

    def _follow(self, event: str, info: dict[str, Any]) -> None:
        """Note the connections of a request; httpx calls its `trace` extension at every event."""
        if event.endswith("connect_tcp.complete"):
            # A second handle of it: that of httpx goes over to TLS.
            self._sockets.append(info["return_value"].get_extra_info("socket").dup())
            if self.passed:
                self._end()

    def _end(self) -> None:
        self.passed = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _opening(
    response: httpx.Response, chunks: Iterator[bytes], offset: int, validator: str | None
) -> Opening:
    """Check status and headers of an answer to a request for the bytes from `offset` on."""
    check_status(response)
    check_kind(response)
    found = validator_of(response)
    start, total = 0, response.headers.get("Content-Length", "")
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if match is None or not offset or int(match.group(1)) != offset:
            raise StaleError("another range than the one asked for")
        if found is not None and found != validator:  # a server that does not know If-Range
            raise StaleError("changed while it was read")
        start, total, found = offset, match.group(3), validator
    return Opening(chunks, start, size_of(total), found)


def _chunks(response: httpx.Response, timeout_seconds: float) -> Iterator[bytes]:
    """Yield the body as sent; a drip slower than `SLOWEST_BYTES_PER_SECOND` is a TransferError.

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


def _proxy_mistake(error: Exception) -> str:
    """Which variables name an unusable proxy, and how to go without; no password of theirs."""
    named = {name: value for name, value in os.environ.items() if name.lower() in PROXY_VARIABLES}
    schemes = {name: value.partition("://")[0] for name, value in named.items() if "://" in value}
    wrong = {name: each for name, each in schemes.items() if each not in ("http", "https")}
    if not wrong:
        return f"{', '.join(named)}: found no proxy's address, expected http://host:port: {error}"
    found, names = (" ".join(sorted(set(each))) for each in (wrong.values(), wrong))
    return (
        f"{names}: found a {found} proxy, expected http or https; "
        f"`unset {names}` in the shell goes without"
    )
