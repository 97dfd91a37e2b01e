"""An end to waiting for an answer's headers, however they are dripped.

The time-out of httpx counts anew with every byte: headers sent byte by byte, or one 103 after the
other, would keep a job waiting for ever.
"""

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx


class HeaderDeadline(httpcore.NetworkStream):
    """A connection that gives the headers of each answer `seconds` from the end of its request."""

    def __init__(self, stream: httpcore.NetworkStream, seconds: float) -> None:
        self._stream, self._seconds = stream, seconds
        self._deadline: float | None = None

    def lift(self) -> None:
        """The headers are there: what follows is the body, which may take its time."""
        self._deadline = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._deadline is None:
            return self._stream.read(max_bytes, timeout)
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("no headers in time")
        return self._stream.read(max_bytes, left if timeout is None else min(left, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)
        self._deadline = time.monotonic() + self._seconds

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, timeout)
        return HeaderDeadline(inner, self._seconds)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        return HeaderDeadline(stream, self._seconds)


def limit_headers(client: httpx.Client, seconds: float) -> None:
    """Have every connection of a client, through proxies as well, keep the deadline."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            # httpx has no parameter for it, only the pool beneath, which it makes itself.
            vars(transport._pool)["_network_backend"] = _Backend(seconds)


def headers_came(response: httpx.Response) -> None:
    """Lift the deadline; a redirect keeps it, for httpx reads its body before it goes on."""
    stream = response.extensions.get("network_stream")
    if isinstance(stream, HeaderDeadline) and not response.has_redirect_location:
        stream.lift()
