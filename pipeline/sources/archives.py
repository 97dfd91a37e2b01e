"""Archives of clips, which a published list names; `download.archive_reading` reads them."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sources.clip_files import read_lines
from pipeline.sources.source import Source


class ArchivesSource(Source):
    """tar.gz archives on the web."""

    label: ClassVar[str] = "archives"
    of_archives: ClassVar[bool] = True
    list: str = Field(description="File among the raw annotations: one archive address per line")
    keep: Literal["seconds", "whole"] = Field(
        "seconds", description="What is stored of a clip: the seconds that are needed, or all of it"
    )

    def open(self, raw: Path) -> "ListedArchives":
        return ListedArchives(self, raw)


class ListedArchives:
    """A published list of archives; which clips they hold tells only reading them."""

    def __init__(self, source: ArchivesSource, raw: Path) -> None:
        self.archives = read_lines(raw / source.list)
        self.keeps_whole = source.keep == "whole"
