"""What a kind of source is: its settings in params.yaml, and what they open."""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Protocol

from pipeline.core.section import Extension
from pipeline.sources.clip_files import Found, Transferred, WantedClip


class FileJob(Protocol):
    """What a download job does for the source of one file; `download.file_job` is the real one."""

    def transfer(self, url: str, recorded: str, target: Path) -> Transferred:
        """Download an address, which is written down as `recorded`, resuming and checking it."""
        ...

    def link(self, path: Path, target: Path) -> Transferred:
        """Link or copy a file of this machine."""
        ...

    def fetch_section(self, clip: str, found: Found, target: Path) -> Transferred:
        """Let yt-dlp fetch the part of a video that `found` names."""
        ...


class ClipSource(Protocol):
    """A source that gives clips one by one."""

    name: str  # as it is called in the reason for a missing clip

    def find(self, want: WantedClip) -> Found | None:
        """Return the file of a clip, by the clip's name or else by its video's; None without one.

        Whether the file is there tells only `fetch`.
        """
        ...

    def fetch(self, file: FileJob, clip: str, found: Found, target: Path) -> Transferred:
        """Have the file at `target`, by what the job offers.

        Args:
            file: the job, for this file.
            clip: name of the clip.
            found: what `find` returned.
            target: path to write.

        Raises:
            TransferError: it is not available; `reason` says why.
            OSError: the disk is full or not writable.
        """
        ...


class ArchiveList(Protocol):
    """A source of archives; which clips they hold tells only reading them."""

    archives: list[str]  # addresses or paths, in the order in which they count
    keeps_whole: bool  # whether clips are kept as they are


class Source(Extension):
    """The section of a source.

    Attributes:
        of_archives: whether `open` returns an `ArchiveList`; a download pass of its own reads it.
    """

    of_archives: ClassVar[bool] = False

    @abstractmethod
    def open(self, raw: Path) -> ClipSource | ArchiveList:
        """Return the source itself.

        Args:
            raw: folder of the raw annotations, which holds the published lists.

        Raises:
            ValueError: a list or folder is not there.
        """
        ...
