"""Cut what some variant looks at out of every video of a shard."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.clips import is_safe_name, parse_windows, read_windows
from pipeline.core.atomic import link_or_copy, written_folder
from pipeline.core.progress import track
from pipeline.video.crash_guard import Guard
from pipeline.video.cut_table import CUTS, Cut, read_cuts, write_cuts
from pipeline.video.cutting import cut_clip
from pipeline.video.downloaded_table import read_videos

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Downloaded:
    """A clip's video.

    Attributes:
        offset_seconds: where the clip starts inside it.
        cut: its row, where the video was cut when it came.
    """

    clip: str
    video: Path
    offset_seconds: float
    cut: Cut | None = None


def cut_shard(
    *,
    clips: Path,
    videos: Sequence[Path],
    downloaded: Sequence[Path],
    cut: Path,
    report: Path,
    guard: Guard,
) -> dict[str, float]:
    """Cut the videos of a shard, write the table of clips, and return counts.

    Args:
        clips: the clip table.
        videos: folders of videos.
        downloaded: for each of them the table of what was downloaded.
        cut: folder to write the clips to.
        report: table of the clips to write.
        guard: is told of each clip before it is touched.
    """
    there = _read_downloaded(videos, downloaded)
    cuts = cut_clips(read_windows(clips), there, cut, guard)
    write_cuts(cuts, report)
    return {
        "clips": len(cuts),
        "damaged": sum(row.status == "damaged" for row in cuts),
        "bytes": sum(row.bytes for row in cuts),
    }


def cut_clips(
    windows: Mapping[str, str], downloaded: Iterable[Downloaded], cut: Path, guard: Guard
) -> list[Cut]:
    """Cut every video that was downloaded.

    Args:
        windows: clip to its windows, as the clip table has them.
        downloaded: the shard's videos.
        cut: folder for the cut files; it is replaced as a whole.
        guard: hears of each clip before it is touched.

    Returns: one row per downloaded video, ordered by clip.
    """
    cuts = []
    with written_folder(cut) as folder:
        ordered = sorted(downloaded, key=lambda each: each.clip)
        for each in track(ordered, "cut clips", unit="clip"):
            clip = each.clip
            if clip not in windows or not is_safe_name(clip):
                raise ValueError(f"downloaded clip {clip!r}: found no such name in the clip table")
            if windows[clip]:
                cuts.append(_cut(each, folder, windows[clip], guard))
                if cuts[-1].reason:
                    logger.warning("%s: %s", clip, cuts[-1].reason)
    return cuts


def _cut(downloaded: Downloaded, folder: Path, windows: str, guard: Guard) -> Cut:
    clip, ready = downloaded.clip, downloaded.cut
    if ready is not None:
        if ready.windows != windows:
            raise ValueError(
                f"{downloaded.video}: found frames {ready.windows} cut out by the download, "
                f"expected {windows}; run the download again"
            )
        link_or_copy(downloaded.video, folder / ready.path)
        return ready
    return cut_guarded(guard, downloaded.video, folder, clip, windows, downloaded.offset_seconds)


def cut_guarded(
    guard: Guard, video: Path, folder: Path, clip: str, windows: str, offset_seconds: float
) -> Cut:
    """`cut_clip` for windows as the clip table has them; what crashed the decoder is left alone.

    Args:
        guard: notes what crashed the decoder in an earlier process.
        video: the source.
        folder: where the clip is written.
        clip: its name.
        windows: of the frames that are wanted, as the clip table has them.
        offset_seconds: where the clip starts in the file.
    """
    if crash := guard.begin(clip):
        return Cut(clip, status="damaged", reason=crash, windows=windows)
    cut = cut_clip(video, folder, clip, parse_windows(windows), offset_seconds)
    return replace(cut, windows=windows)


def _read_downloaded(videos: Sequence[Path], tables: Sequence[Path]) -> list[Downloaded]:
    """The videos that are there, of the tables of all rounds; no clip is there in two of them.

    Args:
        videos: a folder for each table.

    Raises:
        ValueError: a table without its folder.
    """
    found = []
    for folder, path in zip(videos, tables, strict=True):
        if not folder.is_dir():
            raise ValueError(
                f"{folder}: found no folder, expected the videos of {path}; "
                "without that table they are downloaded again"
            )
        cuts = folder / CUTS
        ready = {cut.clip: cut for cut in read_cuts(cuts)} if cuts.exists() else {}
        found += [
            Downloaded(
                row["clip"], folder / row["path"], row["offset_seconds"], ready.get(row["clip"])
            )
            for row in read_videos(path, ("clip", "path", "status", "offset_seconds"))
            if row["status"] == "ok"
        ]
    return found
