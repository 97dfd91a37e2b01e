"""The kinds of sources by their names in params.yaml; a new one is its file and a line here."""

from collections.abc import Mapping

from pipeline.sources.archives import ArchivesSource
from pipeline.sources.files import FilesSource
from pipeline.sources.folder import FolderSource
from pipeline.sources.source import Source
from pipeline.sources.youtube import YouTubeSource

SOURCES: Mapping[str, type[Source]] = {
    "archives": ArchivesSource,
    "files": FilesSource,
    "folder": FolderSource,
    "youtube": YouTubeSource,
}
