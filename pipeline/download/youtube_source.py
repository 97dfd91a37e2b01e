"""Sections of videos on YouTube, or any site that yt-dlp knows; `youtube` fetches them."""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline.core.secrets import hide_secrets
from pipeline.download.answers import TransferError
from pipeline.download.journal import Refusal
from pipeline.download.sources import Found, Span, WantedClip, expand
from pipeline.download.transfer import Transferred
from pipeline.download.youtube_refusals import FINAL, sort_refusal
from pipeline.settings.sections import YouTubeSource

if TYPE_CHECKING:
    from pipeline.download.job_context import FileProgress, JobContext

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")


class VideoSite:
    """Pages of videos, by their ids; whether there is one tells only asking."""

    name = "youtube"

    def __init__(self, source: YouTubeSource, raw: Path) -> None:
        self._url = source.url
        self._any_id = source.url != YouTubeSource.model_fields["url"].default

    def find(self, want: WantedClip) -> Found | None:
        if not (self._any_id or YOUTUBE_ID.fullmatch(want.video_id)):
            return None
        page = self._url.replace("{video_id}", quote(want.video_id))
        span = Span(want.start_seconds, want.end_seconds)
        end = "" if span.end == float("inf") else f",{span.end:g}"
        recorded = f"{hide_secrets(page)}#t={span.start:g}{end}"
        return Found(recorded, ".mp4", 0.0, page, span)

    def fetch(
        self, job: "JobContext", clip: str, found: Found, target: Path, progress: "FileProgress"
    ) -> Transferred:
        assert found.page is not None
        assert found.span is not None
        reason = job.journal.refused(clip, found.source)
        # Sorted again: an earlier version may have taken a passing trouble for a final word.
        if reason is not None and sort_refusal(reason) in FINAL:
            raise TransferError(reason, permanent=True)
        try:
            got = job.youtube.fetch(expand(found.page, job.mirror), found.span, target)
        except TransferError as error:
            if error.permanent:
                job.journal.refuse(Refusal(clip, found.source, error.reason))
            raise
        progress.received(got.bytes)
        return got
