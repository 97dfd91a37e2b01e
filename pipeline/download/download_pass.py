"""The sources of a subset that are tried together, in one download pass.

Later passes are only for clips that are still missing: archives have passes of their own, because
what a shard's archives hold is known when all of them have been read. A new kind of source is a
class in its own file and a line in `SOURCES`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.secrets import hide_secrets
from pipeline.download.archive_source import ArchiveList
from pipeline.download.files_source import FileList
from pipeline.download.folder_source import LocalFolder
from pipeline.download.job_context import ClipSource
from pipeline.download.youtube_source import VideoSite
from pipeline.settings.sections import Source

# By the `kind` of a source in params.yaml: made of its section and the folder of the raw
# annotations, which holds the lists.
SOURCES: dict[str, Callable[[Any, Path], ClipSource | ArchiveList]] = {
    "archives": ArchiveList,
    "files": FileList,
    "folder": LocalFolder,
    "youtube": VideoSite,
}


@dataclass(frozen=True)
class DownloadPass:
    """The sources of a subset that are tried in one pass; one of the two lists is empty.

    Attributes:
        single: those that give files one by one, in the order in which they are tried.
        archives: addresses or paths, in the order of their lists.
        whole: those of them whose clips are kept as they are, as recorded.
    """

    single: list[ClipSource]
    archives: list[str]
    whole: frozenset[str] = frozenset()


def open_pass(sources: Iterable[Source], raw: Path) -> DownloadPass:
    """Read the lists and folders of a pass's sources.

    Args:
        sources: their sections.
        raw: folder of the raw annotations.

    Raises:
        ValueError: a list or folder is not there.
    """
    single: list[ClipSource] = []
    archives: list[str] = []
    whole: set[str] = set()
    for section in sources:
        source = SOURCES[section.kind](section, raw)
        if isinstance(source, ArchiveList):
            archives += source.archives
            whole.update(map(hide_secrets, source.archives) if source.keeps_whole else ())
        else:
            single.append(source)
    return DownloadPass(single, list(dict.fromkeys(archives)), frozenset(whole))
