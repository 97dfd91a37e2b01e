"""Fetch the seconds of a clip from YouTube, or any site that yt-dlp knows, slowly and politely.

The encoded frames are copied, never encoded anew. The file starts at the frame before the first
second, which an edit list hides: its time 0 is the section's start. Only mp4 carries such a list.
"""

import contextvars
import errno
import logging
import os
import re
import shutil
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import yt_dlp
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor
from yt_dlp.utils import YoutubeDLError, download_range_func

from pipeline.core.disk_space import disk_named, require_space
from pipeline.core.ffmpeg import ffmpeg_binary
from pipeline.download.answers import TransferError
from pipeline.download.transfer import StoppedError, hash_file
from pipeline.download.youtube_refusals import FINAL, reason_for, sort_refusal
from pipeline.settings.sections import YouTube
from pipeline.sources.clip_files import Span, Transferred

logger = logging.getLogger(__name__)

COOKIES = "AVA_YOUTUBE_COOKIES"  # a cookies file; where both are given it replaces the settings'
POLL_SECONDS = 0.2
REFUSALS_IN_A_ROW = 5  # so many "try later" mean us, not the videos
ROOM_BYTES_PER_SECOND = 500_000  # 4 Mbit a second, more than frames of 340 px take
ROOM_BYTES = 64 << 20  # for a video whose length is not known yet
LEAST_BYTES = 1 << 20  # with less left after a failure the disk is why
NO_ROOM = re.compile(r"no space left|disk quota exceeded|errno (27|28|122)\b", re.IGNORECASE)
SHORTEST_SHARE = 0.9  # a section with less of its seconds has been cut off on its way


class YouTubeReader:
    """Asks for one section after another; safe to share between threads.

    Args:
        settings: pauses, limits and cookies.
        timeout_seconds: silence that counts as a broken connection.
        short_side_px: the smallest frames with at least this short side are chosen.
        stopped: ends the pauses.
    """

    def __init__(
        self,
        settings: YouTube,
        timeout_seconds: float,
        short_side_px: int,
        stopped: threading.Event,
    ) -> None:
        self._settings, self._timeout_seconds = settings, timeout_seconds
        self._short_side_px = short_side_px
        self._stopped = stopped
        self._slots = threading.BoundedSemaphore(settings.at_once)
        self._lock = threading.Lock()
        self._num_asked = self._num_refusals = 0

    def fetch(self, url: str, span: Span, target: Path) -> Transferred:
        """Write the section `span` of the video at `url` to `target`, an mp4 file.

        Raises:
            TransferError: the reason begins with gone, private, blocked or try later; permanent
                where asking again will never help.
            DiskFullError: the section does not fit, or did not.
        """
        seconds = span.end - span.start
        with self._slot(), disk_named(target.parent):
            wanted = seconds * ROOM_BYTES_PER_SECOND if seconds < float("inf") else ROOM_BYTES
            require_space(target.parent, round(wanted))
            self._check_limits()
            # A folder of its own: the ffmpeg of a killed job may still write to the last one.
            with tempfile.TemporaryDirectory(prefix="video-", dir=target.parent) as folder:
                try:
                    path = self._ask(url, span, Path(folder))
                except YoutubeDLError as error:
                    _check_disk(Path(folder), error)
                    raise self._refused(error) from error
                finally:
                    self._stopped.wait(self._settings.sleep_seconds)
                path.replace(target)
        with self._lock:
            self._num_refusals = 0
        return hash_file(target)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Hold one of the job's few connections; wait until one is free."""
        while not self._slots.acquire(timeout=POLL_SECONDS):
            if self._stopped.is_set():
                raise StoppedError
        try:
            yield
        finally:
            self._slots.release()

    def _check_limits(self) -> None:
        with self._lock:
            if self._num_refusals >= REFUSALS_IN_A_ROW:
                raise TransferError(
                    f"try later: not asked, after {REFUSALS_IN_A_ROW} refusals in a row"
                )
            limit = self._settings.videos_per_job
            if self._num_asked >= limit:
                raise TransferError(f"try later: not asked, after {limit} videos in one job")
            self._num_asked += 1

    def _ask(self, url: str, span: Span, folder: Path) -> Path:
        # yt-dlp looks here, not in its options, when it checks whether there is an ffmpeg.
        context = contextvars.copy_context()
        context.run(FFmpegPostProcessor._ffmpeg_location.set, ffmpeg_location())
        options = self._options(span, folder)
        if (proxy := proxy_for(url)) is not None:
            options["proxy"] = proxy
        said: dict[str, Any] = context.run(_extract, options, url)
        path = folder / "video.mp4"
        if not path.is_file() or not path.stat().st_size:
            raise YoutubeDLError("no file came, try again later")
        _check_length(path, span, said.get("duration"))
        return path

    def _options(self, span: Span, folder: Path) -> dict[str, Any]:
        options: dict[str, Any] = {
            "cachedir": False,
            "ffmpeg_location": ffmpeg_location(),
            "fixup": "never",
            "format": format_chooser(self._short_side_px),
            "logger": _Log(),
            "noplaylist": True,
            "noprogress": True,
            "outtmpl": {"default": f"{_literal(folder)}/video.%(ext)s"},
            "overwrites": True,
            "postprocessors": [],
            "quiet": True,
            "sleep_interval_requests": self._settings.sleep_requests_seconds,
            "socket_timeout": self._timeout_seconds,
            "updatetime": False,
        }
        if span.start > 0 or span.end < float("inf"):
            options["download_ranges"] = download_range_func(None, [(span.start, span.end)])
        cookies = os.environ.get(COOKIES) or self._settings.cookies
        if cookies:
            options["cookiefile"] = str(_own_copy(Path(cookies), folder))
        return options

    def _refused(self, error: YoutubeDLError) -> TransferError:
        message = _message(error)
        verdict = sort_refusal(message)
        with self._lock:
            self._num_refusals = self._num_refusals + 1 if verdict == "try later" else 0
        return TransferError(reason_for(message), permanent=verdict in FINAL)


def format_chooser(short_side_px: int) -> Callable[[dict[str, Any]], Iterator[dict[str, Any]]]:
    """Return a function for yt-dlp that picks one format out of those of a video.

    Only mp4 (see the module's text). H.264 before others: every ffmpeg decodes it. The smallest
    frames that are not below `short_side_px`, else the largest; frames alone before sound too.
    """

    def rank(form: dict[str, Any]) -> tuple[bool, bool, int, bool, float]:
        sides = [side for side in (form.get("width"), form.get("height")) if side]
        short = min(sides, default=0)
        too_small = short < short_side_px
        is_h264 = str(form.get("vcodec")).startswith(("avc", "h264"))
        has_sound = form.get("acodec") not in (None, "none")
        size = -short if too_small else short
        return too_small, not is_h264, size, has_sound, form.get("tbr") or 0.0

    def choose(context: dict[str, Any]) -> Iterator[dict[str, Any]]:
        forms = [
            form
            for form in context["formats"]
            if form.get("ext") == "mp4" and form.get("vcodec") != "none" and not form.get("has_drm")
        ]
        if forms:
            yield min(forms, key=rank)

    return choose


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an address; None where it says to use none.

    yt-dlp finds it by itself, but tells the ffmpeg that fetches a section only of one that it is
    given. An address of https takes the proxies of https, http and all, in this order.
    """
    address = httpx.URL(url)
    port = "" if address.port is None else f":{address.port}"
    if urllib.request.proxy_bypass(f"{address.host}{port}"):
        return None
    proxies = urllib.request.getproxies()
    found = (proxies.get(name) for name in dict.fromkeys((address.scheme, "http", "all")))
    return next(filter(None, found), None)


def ffmpeg_location() -> str:
    """Return the system's ffmpeg, else the one that comes with the Python package.

    It only copies here: no byte of a frame depends on its version.
    """
    return shutil.which("ffmpeg") or ffmpeg_binary()


def _extract(options: dict[str, Any], url: str) -> dict[str, Any]:
    with yt_dlp.YoutubeDL(options) as reader:
        return dict(reader.extract_info(url) or {})


def _check_disk(folder: Path, error: YoutubeDLError) -> None:
    """OSError if a full disk made yt-dlp fail: its words may tell, those of ffmpeg never do."""
    said = f"{error} {_message(error)}"
    if NO_ROOM.search(said) or shutil.disk_usage(folder).free < LEAST_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def _check_length(path: Path, span: Span, video_seconds: object) -> None:
    """Refuse a file that broke off: ffmpeg calls what it got a success."""
    known = float(video_seconds) if isinstance(video_seconds, int | float) else float("inf")
    wanted = min(span.end, known) - span.start
    try:
        with av.open(f"file:{path}") as video:
            got = float((video.duration or 0) / av.time_base)
            streams = len(video.streams.video)
    except av.FFmpegError as error:
        raise YoutubeDLError(f"came damaged ({error.strerror}), try again later") from error
    if not streams:
        raise YoutubeDLError("came without frames, try again later")
    if wanted < float("inf") and got < SHORTEST_SHARE * wanted:
        raise YoutubeDLError(f"came as {got:.1f} of {wanted:.1f} s, try again later")


def _own_copy(cookies: Path, folder: Path) -> Path:
    """yt-dlp writes to its cookies file; several jobs must not write to the user's one."""
    if not cookies.is_file():
        raise ValueError(f"cookies: {cookies}: found no such file, expected a cookies.txt")
    copy = folder / "cookies.txt"
    shutil.copyfile(cookies, copy)
    copy.chmod(0o600)
    return copy


def _literal(folder: Path) -> str:
    """Return a path inside a template of yt-dlp's."""
    return str(folder.absolute()).replace("%", "%%")


def _message(error: YoutubeDLError) -> str:
    """Return what was said at the bottom of a chain of yt-dlp's errors."""
    inner = getattr(error, "exc_info", None)
    cause = inner[1] if inner else None
    return str(getattr(cause, "orig_msg", None) or cause or error)


class _Log:
    """Where yt-dlp says what it does."""

    def debug(self, message: str) -> None:
        logger.debug(message)

    info = warning = error = debug
