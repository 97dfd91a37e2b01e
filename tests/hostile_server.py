"""A web server that misbehaves on purpose, one behaviour per path; see `Behaviour`."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hostile:
    """Address of the server, the answers it gives and what it was asked.

    Attributes:
        answers: path to a function that answers the n-th request (from 1) for it.
        asked: headers of every request, by path.
    """

    base: str = ""
    answers: dict[str, Callable[["Handler", int], None]] = field(default_factory=dict)
    asked: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    heads: dict[str, int] = field(default_factory=dict)  # path to the length told to HEAD


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, state: Hostile, *args: Any) -> None:
        self.state = state
        super().__init__(*args)

    def do_GET(self) -> None:
        state = self.state
        state.counts[self.path] += 1
        state.asked.setdefault(self.path, []).append(dict(self.headers.items()))
        answer = state.answers.get(self.path)
        if answer is None:
            self.reply(404)
        else:
            answer(self, state.counts[self.path])

    def do_HEAD(self) -> None:
        length = self.state.heads.get(self.path)
        self.reply(404 if length is None else 200, announced=length)
        self.close_connection = False  # nothing is missing: an answer to HEAD has no body

    def reply(
        self,
        status: int,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        announced: int | None = None,
    ) -> None:
        """Answer; with `announced` above the body's length the connection breaks off early."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = announced is not None

    def ranged(self, content: bytes, etag: str, headers: dict[str, str] | None = None) -> None:
        """Answer as a good server does, ranges and If-Range included."""
        wanted = self.headers.get("Range")
        if wanted is None or self.headers.get("If-Range", etag) != etag:
            self.reply(200, content, {"ETag": etag, **(headers or {})})
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.reply(206, content[start:], {"ETag": etag, "Content-Range": span})

    def log_message(self, format: str, *args: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # its misbehaviour is to be the one on the list

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def hostile_server() -> Iterator[Hostile]:
    state = Hostile()
    server = QuietServer(("127.0.0.1", 0), partial(Handler, state))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def broken_once(content: bytes, after: int, etag: str = '"v1"') -> Callable[[Handler, int], None]:
    """Break off after some bytes the first time, then behave."""

    def answer(handler: Handler, count: int) -> None:
        if count == 1:
            handler.reply(200, content[:after], {"ETag": etag}, announced=len(content))
        else:
            handler.ranged(content, etag)

    return answer
