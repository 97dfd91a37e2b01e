"""Ways to answer badly, each a function of the file's name; see `hostile_files`."""

import random
import socket
import time
from collections.abc import Callable
from urllib.parse import quote

from tests.download_world import video
from tests.hostile_server import Handler

Answer = Callable[[Handler, int], None]
FILE = "the right file"
SILENCE_SECONDS = 30.0  # longer than any test waits
ETAG = '"v1"'


def changed(name: str) -> bytes:
    return video(name)[::-1]


def good(handler: Handler, name: str) -> None:
    handler.ranged(video(name), ETAG)


def always(status: int, body: bytes = b"", **headers: str) -> Callable[[str], Answer]:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda name: lambda handler, count: handler.reply(status, body, named)


def first(status: int, **headers: str) -> Callable[[str], Answer]:
    """Refuse the first request, then behave."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda name: (
        lambda handler, count: (
            handler.reply(status, b"", named) if count == 1 else good(handler, name)
        )
    )


def redirect(location: str) -> Callable[[str], Answer]:
    """Lead the first request elsewhere; what leads back here finds the file."""

    def answer(handler: Handler, count: int, name: str) -> None:
        port = handler.server.server_address[1]
        target = location.format(port=port, path=quote(name), n=count)
        handler.reply(302, b"", {"Location": target}) if count < 4 else good(handler, name)

    return lambda name: lambda handler, count: answer(handler, count, name)


def cut(handler: Handler, content: bytes, size: int, **headers: str) -> None:
    """Announce all and break off after `size` bytes."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    handler.reply(200, content[:size], named, announced=len(content))


def once_cut(answer: Answer, **headers: str) -> Callable[[str], Answer]:
    """Break off in the middle of the first answer; then answer like `answer(handler, name)`."""
    headers = headers or {"ETag": ETAG}
    return lambda name: (
        lambda handler, count: (
            cut(handler, video(name), 30_000, **headers) if count == 1 else answer(handler, name)
        )
    )


def random_cuts_of(content: bytes) -> Answer:
    """Honour ranges, and break off at a random byte nearly every time."""

    def answer(handler: Handler, count: int) -> None:
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        end = min(len(content), start + random.randint(25_000, 50_000))
        headers = {"ETag": ETAG}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.reply(206 if asked else 200, content[start:end], headers, len(content) - start)

    return answer


def new_version(handler: Handler, name: str) -> None:
    handler.ranged(changed(name), '"v2"')


def new_version_in_ranges(handler: Handler, name: str) -> None:
    del handler.headers["If-Range"]
    handler.ranged(changed(name), '"v2"')


def no_ranges(handler: Handler, name: str) -> None:
    handler.reply(200, video(name), {"ETag": ETAG})


def other_range(handler: Handler, name: str) -> None:
    answer_range(handler, name, 7, str(len(video(name))))


def endless_range(handler: Handler, name: str) -> None:
    answer_range(handler, name, 30_000, "9" * 5000)


def answer_range(handler: Handler, name: str, start: int, total: str) -> None:
    """Answer a range with the one from `start` of so many bytes, whatever was asked for."""
    content = video(name)
    if "Range" not in handler.headers:
        handler.ranged(content, ETAG)
        return
    span = f"bytes {start}-{len(content) - 1}/{total}"
    handler.reply(206, content[start:], {"ETag": ETAG, "Content-Range": span})


def no_such_range(handler: Handler, name: str) -> None:
    handler.reply(416) if "Range" in handler.headers else good(handler, name)


def raw(data: bytes) -> Callable[[str], Answer]:
    def answer(handler: Handler, count: int) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return lambda name: answer


def chunked(handler: Handler, name: str, whole: bool) -> None:
    content = video(name)[: 64_000 if whole else 20_000]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(content)
    handler.wfile.write(head + content + (b"\r\n0\r\n\r\n" if whole else b""))
    handler.close_connection = True


def hang_up(handler: Handler, count: int) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def silence(handler: Handler, count: int) -> None:
    time.sleep(SILENCE_SECONDS)


def silence_in_the_middle(handler: Handler, name: str) -> None:
    cut(handler, video(name), 1000)
    handler.wfile.flush()
    time.sleep(SILENCE_SECONDS)


def drip(handler: Handler, name: str) -> None:
    handler.reply(200, b"", announced=64_000)
    for byte in video(name)[:300]:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.1)


def dripped(data: bytes) -> Callable[[Handler, int], None]:
    """Send a little ten times a second: of a single line its bytes, of several the lines."""
    pieces = data.splitlines(keepends=True) if b"\n" in data else [bytes([each]) for each in data]

    def answer(handler: Handler, count: int) -> None:
        for piece in pieces:
            handler.wfile.write(piece)
            time.sleep(0.1)

    return answer


def drip_redirect(handler: Handler, count: int) -> None:
    handler.reply(302, b"", {"Location": "/good.mp4"}, announced=64_000)
    dripped(b"x" * 300)(handler, count)


def by_name(answer: Callable[[Handler, str], None]) -> Callable[[str], Answer]:
    return lambda name: lambda handler, count: answer(handler, name)


def evil_name(handler: Handler, name: str) -> None:
    disposition = "attachment; filename=../../evil.mp4"
    handler.ranged(video(name), ETAG, {"Content-Disposition": disposition})
