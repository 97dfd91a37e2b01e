"""A client for all transfers of a job: proxies, limits of each host, how long to bear with one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from pipeline.download.answers import check_redirect
from pipeline.download.header_deadline import headers_came, limit_headers
from pipeline.download.host_slots import HeldSlot, HostSlots

MAX_REDIRECTS = 10
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Patience:
    """How long to bear with a server."""

    # Silence that counts as a broken connection; all headers of an answer have as long together.
    timeout_seconds: float
    attempts: int  # failures in a row before an address is given up
    first_wait_seconds: float = 1.0  # bound of the first random wait, doubled with every failure
    longest_wait_seconds: float = 60.0


class _Client(httpx.Client):
    """Holds a slot of the host that answers for as long as the answer is read."""

    slots: HostSlots | None

    @contextmanager
    def stream(self, method: str, url: httpx.URL | str, **options: Any) -> Iterator[httpx.Response]:
        with (
            HeldSlot(self.slots) as held,
            super().stream(method, url, extensions={"slot": held}, **options) as response,
        ):
            yield response


def _take_slot(request: httpx.Request) -> None:
    """Before a request, also one that follows a redirect."""
    if held := request.extensions.get("slot"):
        held.move_to(request.url)


def open_client(
    patience: Patience, connections: int = 1, slots: HostSlots | None = None
) -> httpx.Client:
    """A client to share between threads: proxies from the environment, none for loopback.

    From the end of a request to the end of its answer's headers, however many come before it (100,
    103), `patience.timeout_seconds` may pass, then it has stalled; likewise for a redirect's body.

    Args:
        connections: at once, to all hosts.
        slots: counts the connections to each host; None: as many as there are.

    Raises:
        ValueError: a proxy of the environment is none that we can use.
    """
    try:
        client = _client(patience, connections)
    except (ImportError, ValueError, httpx.InvalidURL) as error:  # ImportError: of SOCKS
        raise ValueError(_proxy_mistake(error)) from None
    client.slots = slots
    limit_headers(client, patience.timeout_seconds)
    return client


def _client(patience: Patience, connections: int) -> _Client:
    return _Client(
        timeout=httpx.Timeout(patience.timeout_seconds, pool=None),
        limits=httpx.Limits(max_connections=connections),
        mounts={f"all://{host}": None for host in LOOPBACK_HOSTS},
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        event_hooks={"request": [_take_slot], "response": [check_redirect, headers_came]},
        # The bytes that are published, not an encoding of them: lengths, ranges and hashes count.
        headers={"Accept-Encoding": "identity", "User-Agent": "ava-kinetics-pipeline"},
    )


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
