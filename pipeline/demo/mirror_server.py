"""Publish a folder over HTTP on the loopback address, the way the real mirrors publish theirs.

The demo's sources lie in such a folder, so that downloading them takes the production path:
ranges, validators and all. Standard library only.
"""

import email.utils
import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

logger = logging.getLogger(__name__)

IDLE_SECONDS = 60.0  # a connection that says nothing for so long is closed
BLOCK_BYTES = 1 << 18
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
CONTENT_TYPES = {  # everything else is plain bytes, as the real storage hosts say it
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".mkv": "video/x-matroska",
    ".mp4": "video/mp4",
    ".txt": "text/plain",
    ".webm": "video/webm",
    ".zip": "application/zip",
}


def serve_if_given(folder: Path | None) -> AbstractContextManager[str | None]:
    """Serve `folder` while the block runs, if there is one; None takes the place of its address."""
    return nullcontext() if folder is None else serve(folder)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve `folder` on 127.0.0.1 while the block runs; yield its address, without a final slash.

    Raises:
        ValueError: there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: found no folder, expected the one to serve as the mirror")
    server = _Server(("127.0.0.1", 0), partial(_Handler, folder.resolve()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.daemon = True
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a client that keeps its connection open must not keep us from ending
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that hangs up in mid-file is its business, not a traceback on our stderr.
        logger.debug("%s went away", client_address, exc_info=True)


@dataclass(frozen=True)
class _Span:
    """Bytes `first` to `last` of a file of `size` bytes, both included."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def __init__(self, root: Path, *args: object) -> None:
        self._root = root
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        logger.debug(format, *args)

    def _answer(self, with_body: bool) -> None:
        path = _find(self._root, self.path)
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND, {}, with_body)
            return
        try:
            file = path.open("rb")
        except OSError:
            self._refuse(HTTPStatus.FORBIDDEN, {}, with_body)
            return
        with file:
            self._send(path, file, with_body)

    def _send(self, path: Path, file: IO[bytes], with_body: bool) -> None:
        status = os.fstat(file.fileno())
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        modified = email.utils.formatdate(status.st_mtime, usegmt=True)
        whole = _Span(0, status.st_size - 1, status.st_size)
        # If-Range: the range holds only for the very file the client began with.
        same = self.headers.get("If-Range", etag) in (etag, modified)
        span = _span(self.headers.get("Range"), status.st_size) if same else whole
        if span is None:
            size = {"Content-Range": f"bytes */{whole.size}"}
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, size, with_body)
            return
        partly = span != whole
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partly else HTTPStatus.OK)
        if partly:
            self.send_header("Content-Range", f"bytes {span.first}-{span.last}/{span.size}")
        kind = CONTENT_TYPES.get(path.suffix.lower(), "application/octet-stream")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(span.length))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", modified)
        self.end_headers()
        if with_body:
            self._copy(file, span)

    def _copy(self, file: IO[bytes], span: _Span) -> None:
        file.seek(span.first)
        left = span.length
        while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
            self.wfile.write(block)
            left -= len(block)
        # A file that shrank meanwhile cannot fill its announced length: only hanging up says so.
        self.close_connection = self.close_connection or left > 0

    def _refuse(self, status: HTTPStatus, headers: dict[str, str], with_body: bool) -> None:
        body = f"{status.value} {status.phrase}\n".encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _find(root: Path, target: str) -> Path | None:
    """The file that a request target names; None when there is none or it lies outside `root`."""
    try:
        names = unquote(urlsplit(target).path, errors="strict").split("/")
    except ValueError:
        return None
    if any(name == ".." or "\0" in name for name in names):
        return None
    path = root.joinpath(*(name for name in names if name not in ("", "."))).resolve()
    # resolve() follows links, so a link that points out of the folder ends here as well.
    return path if path.is_relative_to(root) and path.is_file() else None


def _span(header: str | None, size: int) -> _Span | None:
    """The bytes a Range header asks for; the whole file without one; None when there are none.

    Several ranges at once, and units other than bytes, may be ignored (RFC 9110, 14.2).
    """
    whole = _Span(0, size - 1, size)
    match = RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group(0) == "bytes=-":
        return whole
    first, last = match.groups()
    if not first:  # "-500": the last 500 bytes
        return _Span(max(0, size - int(last)), size - 1, size) if int(last) and size else None
    if int(first) >= size:
        return None
    if last and int(last) < int(first):
        return whole
    return _Span(int(first), min(int(last), size - 1) if last else size - 1, size)
