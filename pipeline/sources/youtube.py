"""Sections of videos on YouTube, or any site that yt-dlp knows."""

import re
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from pydantic import Field, field_validator

from pipeline.core.secrets import hide_secrets
from pipeline.sources.clip_files import Found, Span, Transferred, WantedClip
from pipeline.sources.source import FileJob, Source

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")


class YouTubeSource(Source):
    """YouTube, or another site that yt-dlp knows."""

    label: ClassVar[str] = "youtube"
    url: str = Field(
        "https://www.youtube.com/watch?v={video_id}",
        description="Address of a video, with {video_id} in it",
    )

    @field_validator("url")
    @classmethod
    def _names_the_video(cls, value: str) -> str:
        if "{video_id}" not in value:
            raise ValueError(f"url {value!r}, expected one with {{video_id}} in it")
        return value

    def open(self, _raw: Path) -> "VideoSite":
        return VideoSite(self)


class VideoSite:
    """Pages of videos, by their ids; whether there is one tells only asking."""

    name = "youtube"

    def __init__(self, source: YouTubeSource) -> None:
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

    def fetch(self, file: FileJob, clip: str, found: Found, target: Path) -> Transferred:
        return file.fetch_section(clip, found, target)
