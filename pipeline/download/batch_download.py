"""Download one batch: what one shard has to fetch in one round of the sources."""

import argparse
import contextlib
import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from pipeline.clips import read_clips
from pipeline.core.atomic import written_folder
from pipeline.core.hard_link import link_or_copy
from pipeline.demo.mirror_server import serve
from pipeline.download.data_lock import ACCEPT, DataLock, lock_of
from pipeline.download.download_job import Manners
from pipeline.download.download_journal import Fetched, Journal
from pipeline.download.http_client import Patience
from pipeline.download.member_cutting import MemberCutter, Stretch
from pipeline.download.shard_download import fetch_shard
from pipeline.download.single_clips import SingleClip
from pipeline.download.sources import Round, WantedClip, open_round
from pipeline.download.video_table import clips_there, write_videos
from pipeline.settings.params import Params, load_params
from pipeline.video.cut_table import CUTS, Cut, write_cuts

logger = logging.getLogger(__name__)


def download_batch(args: argparse.Namespace) -> dict[str, float]:
    """Download what the flags of the stage name; return counts."""
    params = load_params(args.params)
    section = params.download
    number, shard = params.place_of(args.batch)
    clips = read_clips(args.clips)
    before = params.batches_before(args.batch)
    there = clips_there(args.earlier / f"{batch}.csv" for batch in before)
    with serve(args.mirror) if args.mirror else contextlib.nullcontext() as mirror:
        return download(
            clips[~clips["clip"].isin(there)],
            sources_of(params, number, args.raw),
            shard,
            params.data.num_shards,
            args.videos,
            args.report,
            manners=Manners(
                Patience(section.timeout_seconds, section.attempts),
                section.connections,
                section.connections_per_host,
                section.youtube,
                params.extract_frames.short_side_px,
            ),
            lock=lock_of(args),
            mirror=mirror,
        )


def download(
    clips: pd.DataFrame,
    sources: Mapping[str, Round],
    shard: int,
    num_shards: int,
    videos: Path,
    report: Path,
    *,
    manners: Manners,
    lock: DataLock,
    mirror: str | None = None,
) -> dict[str, float]:
    """Make the folder `videos` and the table `report` of one batch; return counts.

    Args:
        clips: the clip table, of all shards, without what earlier rounds have.
        sources: those of this round, by part; parts that have no more are left out.
        shard: this shard's number, from 0.
        lock: the hashes of what was downloaded before; a video that differs is not taken.
        mirror: address that stands for `{mirror}`.

    Raises:
        ValueError: `{mirror}` is asked for and not given.
        OSError: the disk is full or not writable; the next run goes on from there.
    """
    singles, archives = plan(clips, sources, shard, num_shards)
    # Beside the outputs, not in them: Snakemake deletes the outputs of a job before it runs it.
    journal = Journal(videos.with_name(f".{videos.name}.partial"))
    journal.adopt(videos)
    outcome = fetch_shard(
        singles, archives, journal, manners, lock, _cutter(clips, sources), mirror
    )
    for clip, reason in outcome.reasons.items():
        if "sha256" in reason:
            logger.warning("%s: %s; %s=1 in the environment takes it", clip, reason, ACCEPT)
    rows = outcome.fetched.values()
    lock.add({row.address: row.upstream for row in rows if row.address})
    _make_folder(videos, journal.folder, rows)
    # Last: where the table is, the folder is whole.
    offsets = dict(zip(clips["clip"], clips["offset_seconds"], strict=True))
    write_videos(report, rows, outcome.reasons, offsets)
    journal.tidy(rows)
    return {
        "clips": len(outcome.fetched),
        "missing": len(outcome.reasons),
        "bytes": sum(row.bytes for row in rows),
        "archives": len(archives),
        "archives_broken": len(outcome.broken_archives),
    }


def _make_folder(videos: Path, working: Path, rows: Collection[Fetched]) -> None:
    """The files under their own names, and the table of those that are cut already."""
    with written_folder(videos) as folder:
        for row in rows:
            link_or_copy(working / row.path, folder / Path(row.path).name)
        if cuts := [Cut(**row.cut.row) for row in rows if row.cut]:
            write_cuts(cuts, folder / CUTS)


def plan(
    clips: pd.DataFrame, sources: Mapping[str, Round], shard: int, num_shards: int
) -> tuple[list[SingleClip], dict[str, set[str]]]:
    """Which clips a shard fetches one by one, and which archives it searches for which clips."""
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
            # Parts may share a clip: any of their sources will do.
            single = singles.setdefault(row[0], SingleClip(WantedClip(*row), []))
            single.sources.extend(sources[subset].single)
    archives: dict[str, set[str]] = {}
    for subset, names_wanted in wanted.items():
        for archive in sources[subset].archives[shard::num_shards] if names_wanted else []:
            archives.setdefault(archive, set()).update(names_wanted)
    return list(singles.values()), archives


def _cutter(clips: pd.DataFrame, sources: Mapping[str, Round]) -> MemberCutter:
    names = ("clip", "windows", "offset_seconds")
    rows = zip(*(clips[name].tolist() for name in names), strict=True)
    stretches = {clip: Stretch(windows, offset) for clip, windows, offset in rows}
    whole = (archive for each in sources.values() for archive in each.whole)
    return MemberCutter(stretches, frozenset(whole))


def sources_of(params: Params, number: int, raw: Path) -> dict[str, Round]:
    """The sources that are asked in a round, counted from 0, by part."""
    subsets = [subset for subset in params.data.subsets if number < len(subset.rounds)]
    return {subset.name: open_round(subset.rounds[number], raw) for subset in subsets}
