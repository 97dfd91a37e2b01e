"""Compare the videos that annotations name with those that lists and folders have.

A video that is not there is an expected loss, a row in coverage.csv later. None there, but others
that are called nearly so, is a mistake in the names.
"""

import logging
from collections.abc import Collection, Iterable
from dataclasses import fields
from pathlib import Path

import pandas as pd

from pipeline.annotations.kinetics_lists import read_clip_list
from pipeline.annotations.near_names import in_words, near_misses
from pipeline.settings.sections import Subset
from pipeline.sources.clip_files import (
    NamedFiles,
    WantedClip,
    folder_files,
    listed_files,
    read_lines,
)
from pipeline.sources.files import FilesSource
from pipeline.sources.folder import FolderSource
from pipeline.sources.source import Source

logger = logging.getLogger(__name__)


def count_not_in_clip_list(path: Path, keyframes: pd.DataFrame, listed: pd.DataFrame) -> int:
    """Return how many videos with keyframes a clip list lacks, and warn of them.

    Args:
        path: of the clip list.
        listed: its rows for the videos of these keyframes.
    """
    videos = set(keyframes["video_id"])
    missing = videos - set(listed["video_id"])
    if missing:
        known = read_clip_list(path)["video_id"].unique()
        tell_missing(str(path), missing, len(videos), known)
    return len(missing)


def count_unlisted(raw: Path, subset: Subset, clips: pd.DataFrame) -> int:
    """Return how many clips are in none of a subset's file lists and folders, and warn of them.

    Where a subset has other sources, or a folder that is not there yet, that is not known: 0.

    Raises:
        ValueError: a name that stands for two files.
    """
    sources = [_files_of(raw, source) for source in subset.sources]
    known = [files for files in sources if files is not None]
    if len(known) < len(sources):
        return 0
    wanted = map(WantedClip, *(clips[field.name].tolist() for field in fields(WantedClip)))
    missing = [want.clip for want in wanted if all(files.find(want) is None for files in known)]
    if missing:
        names = (name for files in known for name in files.names)
        tell_missing(f"{subset.name}: its file lists and folders", missing, len(clips), names)
    return len(missing)


def tell_missing(
    where: str, missing: Collection[str], num_wanted: int, known: Iterable[str]
) -> None:
    """Warn of videos that some list or folder lacks.

    Args:
        where: which list or folder, for the message.
        missing: names of the videos.
        num_wanted: how many videos were looked for.
        known: the names that are there.

    Raises:
        ValueError: all of them are missing, and others there are called nearly so.
    """
    near = near_misses(missing, known)
    found = f"found {len(missing)} of {num_wanted} videos missing, such as {min(missing)!r}"
    if near and len(missing) == num_wanted:
        raise ValueError(f"{where}: {found}{in_words(near)}; expected the same names")
    logger.warning("%s: %s%s", where, found, in_words(near))


def _files_of(raw: Path, source: Source) -> NamedFiles | None:
    # Read as the download will read them: paths, with or without leading zeros.
    if isinstance(source, FilesSource):
        return listed_files(read_lines(raw / source.list))
    if isinstance(source, FolderSource) and Path(source.path).is_dir():
        return folder_files(Path(source.path))
    return None
