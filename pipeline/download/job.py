"""Run one download job: what one shard has to fetch in one pass of the sources."""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from pipeline.clips import read_clips
from pipeline.core.atomic import link_or_copy, written_folder
from pipeline.core.locks import held_folder
from pipeline.download.data_lock import ACCEPT, DataLock
from pipeline.download.download_pass import DownloadPass, open_pass
from pipeline.download.fetching import SingleClip, fetch
from pipeline.download.http import RetryPolicy
from pipeline.download.job_context import DownloadLimits
from pipeline.download.journal import Fetched, Journal
from pipeline.download.member_cutting import Interval, MemberCutter
from pipeline.download.video_table import clips_there, write_videos
from pipeline.settings.params import Params
from pipeline.sources.clip_files import WantedClip
from pipeline.video.cut_table import CUTS, write_cuts

logger = logging.getLogger(__name__)


def download_job(
    *,
    params: Params,
    job: str,
    clips: Path,
    raw: Path,
    earlier: Path,
    videos: Path,
    report: Path,
    lock: DataLock,
    mirror: str | None,
) -> dict[str, float]:
    """Download what a job has to fetch, as params.yaml says; return counts.

    Args:
        params: the settings.
        job: its shard and pass, such as "00" or "00_2".
        clips: the clip table.
        raw: folder of the raw annotations, which holds the lists.
        earlier: folder of the tables of the passes before.
        videos, report: the folder and the table to make.
        lock: the hashes of what was downloaded before.
        mirror: address that stands for `{mirror}`.
    """
    section = params.download
    number, shard = params.pass_and_shard(job)
    table = read_clips(clips)
    there = clips_there(earlier / f"{before}.csv" for before in params.jobs_before(job))
    subsets = [subset for subset in params.data.subsets if number < len(subset.passes)]
    return download_clips(
        table[~table["clip"].isin(there)],
        {subset.name: open_pass(subset.passes[number], raw) for subset in subsets},
        shard,
        params.data.num_shards,
        videos,
        report,
        limits=DownloadLimits(
            RetryPolicy(section.timeout_seconds, section.attempts),
            section.connections,
            section.youtube,
            params.extract_frames.short_side_px,
        ),
        lock=lock,
        mirror=mirror,
    )


def download_clips(
    clips: pd.DataFrame,
    sources: Mapping[str, DownloadPass],
    shard: int,
    num_shards: int,
    videos: Path,
    report: Path,
    *,
    limits: DownloadLimits,
    lock: DataLock,
    mirror: str | None = None,
) -> dict[str, float]:
    """Make the folder `videos` and the table `report` of one job; return counts.

    Args:
        clips: the clip table, of all shards, without what earlier passes have.
        sources: those of this pass, by subset; subsets that have no more are left out.
        shard, num_shards: this shard's number, from 0, of how many.
        videos, report: the folder and the table to make.
        limits: how to treat the hosts.
        lock: the hashes of what was downloaded before; a video that differs is not taken.
        mirror: address that stands for `{mirror}`.

    Raises:
        ValueError: `{mirror}` is in an address and not given.
        OSError: the disk is full, not writable, or held by another process.
    """
    singles, archives = plan(clips, sources, shard, num_shards)
    # Beside the outputs, not in them: Snakemake deletes the outputs of a job before it runs it.
    with held_folder(working := videos.with_name(f".{videos.name}.partial")):
        journal = Journal(working)
        journal.adopt(videos)
        outcome = fetch(singles, archives, journal, limits, lock, _cutter(clips, sources), mirror)
        rows = outcome.fetched.values()
        lock.add({row.address: row.upstream for row in rows if row.address})
        _make_folder(videos, working, rows)
        offsets = dict(zip(clips["clip"], clips["offset_seconds"], strict=True))
        # Last: where the table is, the folder is whole.
        write_videos(report, rows, outcome.reasons, offsets)
        journal.tidy(rows)
    for clip, reason in outcome.reasons.items():
        if "sha256" in reason:
            logger.warning("%s: %s; %s=1 in the environment takes it", clip, reason, ACCEPT)
    return {
        "clips": len(outcome.fetched),
        "missing": len(outcome.reasons),
        "bytes": sum(row.bytes for row in rows),
        "archives": len(archives),
        "archives_broken": len(outcome.broken_archives),
    }


def plan(
    clips: pd.DataFrame, sources: Mapping[str, DownloadPass], shard: int, num_shards: int
) -> tuple[list[SingleClip], dict[str, set[str]]]:
    """Return the clips that a shard fetches one by one, and the clips to search each archive for.

    Args:
        clips: the clip table.
        sources: by subset.
        shard: its number, from 0: shard i of n reads archives i, i + n, ... of each subset.
        num_shards: of the dataset.
    """
    singles: dict[str, SingleClip] = {}
    wanted: dict[str, set[str]] = {subset: set() for subset in sources}
    names = ("clip", "video_id", "start_seconds", "end_seconds", "offset_seconds")
    clips = clips[clips["subset"].isin(list(sources))]
    rows = zip(*(clips[name].tolist() for name in names), strict=True)
    for subset, owner, row in zip(
        clips["subset"].tolist(), clips["shard"].tolist(), rows, strict=True
    ):
        if sources[subset].archives:
            wanted[subset].add(row[0])
        elif owner and int(owner) == shard:
            # Subsets may share a clip: any of their sources will do.
            single = singles.setdefault(row[0], SingleClip(WantedClip(*row), []))
            single.sources.extend(sources[subset].single)
    archives: dict[str, set[str]] = {}
    for subset, names_wanted in wanted.items():
        for archive in sources[subset].archives[shard::num_shards] if names_wanted else []:
            archives.setdefault(archive, set()).update(names_wanted)
    return list(singles.values()), archives


def _cutter(clips: pd.DataFrame, sources: Mapping[str, DownloadPass]) -> MemberCutter:
    names = ("clip", "windows", "offset_seconds")
    rows = zip(*(clips[name].tolist() for name in names), strict=True)
    intervals = {clip: Interval(windows, offset) for clip, windows, offset in rows}
    whole = (archive for each in sources.values() for archive in each.whole)
    return MemberCutter(intervals, frozenset(whole))


def _make_folder(videos: Path, working: Path, rows: Collection[Fetched]) -> None:
    """The files under their own names, and the table of those that are cut already."""
    with written_folder(videos) as folder:
        for row in rows:
            link_or_copy(working / row.path, folder / Path(row.path).name)
        if cuts := [row.cut.row for row in rows if row.cut]:
            write_cuts(cuts, folder / CUTS)
