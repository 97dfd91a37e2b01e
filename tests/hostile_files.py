"""Single files as hosts should not serve them; see `hostile_mirror`."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from tests.download_world import video
from tests.hostile_answers import (
    FILE,
    Answer,
    always,
    by_name,
    changed,
    chunked,
    cut,
    drip,
    drip_redirect,
    dripped,
    endless_range,
    evil_name,
    first,
    good,
    hang_up,
    new_version,
    new_version_in_ranges,
    no_ranges,
    no_such_range,
    once_cut,
    other_range,
    random_cuts_of,
    raw,
    redirect,
    silence,
    silence_in_the_middle,
)


@dataclass(frozen=True)
class Behaviour:
    """What a host does with one path.

    Attributes:
        name: of the file, extension included.
        does: in words, for the table.
        outcome: FILE, or how the reason for the missing file begins.
        answer: to the n-th request, from 1.
        changed: the right file has other bytes than `video(name)`.
    """

    name: str
    does: str
    outcome: str
    answer: Answer
    changed: bool = False

    @property
    def content(self) -> bytes:
        return changed(self.name) if self.changed else video(self.name)


_PAST, _NEAR = formatdate(0, usegmt=True), "1"
_HTML = b"\n<!DOCTYPE html><title>Sign in</title>"

# Name without extension, what the host does, outcome, answer.
ROWS: list[tuple[str, str, str, Callable[[str], Answer]]] = [
    ("good", "serves it as it should", FILE, by_name(good)),
    *[
        (f"status-{status}", f"{status}, always", f"HTTP {status}", always(status))
        for status in (204, 304, 400, 401, 403, 404, 410, 429, 451, 500, 501, 503)
    ],
    *[
        (f"once-{status}", f"{status} once, without Retry-After", FILE, first(status))
        for status in (408, 425, 429, 500, 502, 503, 504)
    ],
    ("later-429", "429 once, Retry-After in seconds", FILE, first(429, Retry_After=_NEAR)),
    ("later-503", "503 once, Retry-After in seconds", FILE, first(503, Retry_After=_NEAR)),
    ("past-503", "503 once, Retry-After a date gone by", FILE, first(503, Retry_After=_PAST)),
    ("odd-503", "503 once, Retry-After no time at all", FILE, first(503, Retry_After="soon")),
    (
        "hour-503",
        "503, Retry-After in an hour",
        "try later: HTTP 503, asked to wait 3600 seconds",
        always(503, Retry_After="3600"),
    ),
    (
        "far-503",
        "503 once, Retry-After a date beyond all years",
        FILE,
        first(503, Retry_After="Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
    ),
    ("moved", "redirects three times to itself", FILE, redirect("/{path}?{n}")),
    ("other-host", "redirects to another host", FILE, redirect("http://localhost:{port}/good.mp4")),
    ("circle", "redirects in a circle", "too many redirects", always(302, Location="/circle.mp4")),
    (
        "to-file",
        "redirects to file:",
        "redirect to file:",
        always(302, Location="file:///etc/passwd"),
    ),
    ("to-ftp", "redirects to ftp:", "redirect to ftp:", always(301, Location="ftp://127.0.0.1/f")),
    (
        "to-dead",
        "redirects to a dead host",
        "cannot connect",
        always(302, Location="http://127.0.0.1:9/"),
    ),
    (
        "to-junk",
        "redirects to no address",
        "redirect to no address",
        always(302, Location="http://127.0.0.1:no/"),
    ),
    *[
        (name, f"redirects to {does}", "redirect to no address", always(302, Location=location))
        for name, does, location in (
            ("to-dots", "a host of dots", "http://.../"),
            ("to-long", "a host of 300 letters", f"http://{'a' * 300}/"),
            ("to-code", "a host of no letters", "http://xn--/"),
        )
    ],
    (
        "cut",
        "closes early, always",
        "connection broke off",
        by_name(lambda h, n: cut(h, video(n), 500)),
    ),
    ("random-cuts", "closes early at random bytes", FILE, lambda name: random_cuts_of(video(name))),
    ("no-validator", "closes early once, names no version", FILE, once_cut(good, X_Nothing="")),
    ("weak-tag", "closes early once, names it weakly", FILE, once_cut(good, ETag='W/"v1"')),
    ("no-ranges", "closes early once, then ignores ranges", FILE, once_cut(no_ranges)),
    ("other-range", "continues with another range", FILE, once_cut(other_range)),
    ("endless-range", "continues a file of 5000 digits", FILE, once_cut(endless_range)),
    ("refused-range", "416 for the rest", FILE, once_cut(no_such_range)),
    ("chunked", "announces no length", FILE, by_name(lambda h, n: chunked(h, n, True))),
    (
        "cut-chunked",
        "announces no length, closes early",
        "connection broke off",
        by_name(lambda h, n: chunked(h, n, False)),
    ),
    (
        "huge",
        "announces an exabyte",
        "announced as more than",
        by_name(lambda h, n: h.reply(200, b"", announced=1 << 60)),
    ),
    (
        "negative",
        "announces a negative length",
        "connection broke off",
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc"),
    ),
    (
        "two-lengths",
        "announces two lengths",
        "connection broke off",
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"),
    ),
    (
        "unasked-range",
        "a part that nobody asked for",
        "another range than the one asked for",
        always(206, b"abc", Content_Range="bytes 5-7/64000"),
    ),
    ("hang-up", "hangs up at once", "connection broke off", lambda name: hang_up),
    ("no-http", "does not speak HTTP", "connection broke off", raw(b"220 ftp.example ready\r\n")),
    (
        "long-header",
        "sends a header without end",
        "connection broke off",
        raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000),
    ),
    ("silence", "says nothing", "stalled", lambda name: silence),
    ("pause", "falls silent in the middle", "stalled", by_name(silence_in_the_middle)),
    ("drip", "sends ten bytes a second", "stalled", by_name(drip)),
    (
        "drip-header",
        "sends ten bytes of its header a second",
        "stalled",
        lambda name: dripped(b"HTTP/1.1 200 OK".ljust(300, b"!")),
    ),
    *[
        (
            f"endless-{status}",
            f"answers {status} ten times a second",
            "stalled",
            lambda name, status=status: dripped(b"HTTP/1.1 %d Wait\r\n\r\n" % status * 150),
        )
        for status in (100, 103)
    ],
    ("drip-moved", "redirects by a page of ten bytes a second", "stalled", lambda n: drip_redirect),
    (
        "gzip",
        "gzip that nobody asked for",
        "content encoding gzip, not asked for",
        always(200, gzip.compress(b"video"), Content_Encoding="gzip"),
    ),
    (
        "gzip-twice",
        "gzip in gzip",
        "content encoding gzip, gzip, not asked for",
        always(200, gzip.compress(gzip.compress(b"video")), Content_Encoding="gzip, gzip"),
    ),
    (
        "html",
        "a page with status 200",
        "an HTML page",
        always(200, _HTML, Content_Type="text/html"),
    ),
    (
        "html-as-video",
        "a page that is called a video",
        "an HTML page",
        always(200, _HTML, Content_Type="video/mp4"),
    ),
    ("empty", "an empty body", "empty file", always(200)),
    ("other-name", "names the file ../../evil.mp4", FILE, by_name(evil_name)),
    ("locked", "other bytes than the data lock has", "sha256 ", always(200, b"other")),
]
CHANGING = [
    ("new-version", "another version after closing early", FILE, once_cut(new_version)),
    (
        "mixed-version",
        "another version, though If-Range asks not to",
        FILE,
        once_cut(new_version_in_ranges),
    ),
]
NAMES = [
    "-dash",
    "two words",
    'it\'s "quoted"',
    "$(touch evil)",
    "50%25",
    "a#b?c",
    "a&b;c",
    "ünï–кино-映画",
]

FILES = [
    *[Behaviour(f"{name}.mp4", does, out, make(f"{name}.mp4")) for name, does, out, make in ROWS],
    *[
        Behaviour(f"{name}.mp4", does, out, make(f"{name}.mp4"), changed=True)
        for name, does, out, make in CHANGING
    ],
    *[
        Behaviour(
            f"{name}.mp4", f"serves a file called `{name}.mp4`", FILE, by_name(good)(f"{name}.mp4")
        )
        for name in NAMES
    ],
]
