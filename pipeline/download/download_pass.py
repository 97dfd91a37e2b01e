"""The sources of a subset that are tried together, in one download pass.

Later passes are only for clips that are still missing: archives have passes of their own, because
what a shard's archives hold is known when all of them have been read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pipeline.core.secrets import hide_secrets
from pipeline.sources.source import ArchiveList, ClipSource, Source


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
        source = section.open(raw)
        if section.of_archives:
            listed = cast(ArchiveList, source)
            archives += listed.archives
            whole.update(map(hide_secrets, listed.archives) if listed.keeps_whole else ())
        else:
            single.append(cast(ClipSource, source))
    return DownloadPass(single, list(dict.fromkeys(archives)), frozenset(whole))
