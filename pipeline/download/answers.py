"""What an answer over HTTP is worth: its status, its kind, where it redirects to."""

import email.utils
import re
from datetime import UTC, datetime
from http import HTTPStatus

import httpx

from pipeline.core.secrets import hide_secrets

MAX_DIGITS = 19  # of a number in a header: an exabyte, or as many seconds
RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}


class TransferError(ValueError):
    """Why an address gave no usable bytes; the reason is short enough for a cell of a table.

    Attributes:
        reason: such as "HTTP 404", without addresses, ports or anything else that varies.
        permanent: asking again will not help.
        wait_seconds: how long the server asked us to wait.
        found: the sha256 of what came, where that is what is wrong.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        wait_seconds: float | None = None,
        found: str | None = None,
    ) -> None:
        self.reason = hide_secrets(reason)
        super().__init__(self.reason)
        self.permanent = permanent
        self.wait_seconds, self.found = wait_seconds, found


class StaleError(TransferError):
    """What we hold of a file cannot be continued: begin again at its first byte."""


def check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise StaleError("HTTP 416")
    wait = _retry_after_seconds(response.headers.get("Retry-After", ""))
    permanent = status not in RETRIED_STATUSES
    raise TransferError(f"HTTP {status}", permanent=permanent, wait_seconds=wait)


def check_kind(response: httpx.Response) -> None:
    """Refuse pages of portals and error pages that call themselves a success."""
    if "html" in response.headers.get("Content-Type", "").lower():
        raise TransferError("an HTML page instead of the file", permanent=True)
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    # Some hosts call a .gz file gzip-encoded; its bytes are then the file all the same.
    if encoding != "identity" and not response.url.path.endswith((".gz", ".tgz")):
        raise TransferError(f"content encoding {encoding}, not asked for", permanent=True)


def check_redirect(response: httpx.Response) -> None:
    """Follow redirects to web addresses only, never to file: or the like."""
    if not response.has_redirect_location:
        return
    try:
        target = response.url.join(response.headers["Location"])
        check_host(target)
    except (httpx.InvalidURL, UnicodeError):
        raise TransferError("redirect to no address", permanent=True) from None
    if target.scheme not in ("http", "https"):
        raise TransferError(f"redirect to {target.scheme}:", permanent=True)


def check_host(url: httpx.URL) -> None:
    """UnicodeError unless the host can be looked up: no part of it is empty or too long."""
    url.host.encode("idna")
    url.raw_host.decode("ascii").encode("idna")


def size_of(text: str) -> int | None:
    if not text.isdecimal():
        return None
    if len(text) > MAX_DIGITS:
        raise TransferError(f"announced by a number of {len(text)} digits", permanent=True)
    return int(text)


def validator_of(response: httpx.Response) -> str | None:
    """Return what names this version in If-Range: a strong ETag, else the date, else nothing.

    Weak ones (W/"...") promise no equal bytes; what is not ASCII could not be sent back.
    """
    etag, modified = (str(response.headers.get(name, "")) for name in ("ETag", "Last-Modified"))
    chosen = etag if etag.startswith('"') else modified
    return chosen if chosen and chosen.isascii() else None


def _retry_after_seconds(value: str) -> float | None:
    """Seconds from now that a Retry-After header names, as a number or a date; None for neither."""
    if re.fullmatch(rf"\d{{1,{MAX_DIGITS}}}", value.strip()):
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
