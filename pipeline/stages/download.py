"""Fetch the videos of one shard: single files, local folders, and its share of the archives.

In: the clip table and the raw annotations' lists. Out: a folder with exactly the shard's videos,
and a table with one row per clip that the shard answers for: where its file came from, or why
there is none.

Clips that only archives can give belong to whichever shard reads the archive that holds them: shard
i of n reads archives i, i + n, ... of each part. Such a clip has a row only where it was found.
"""

from __future__ import annotations

import contextlib
import csv
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.atomic import written, written_folder
from pipeline.command import add_lock_flags, parser, run
from pipeline.summaries import write_summary

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params import Params
    from pipeline.transfers.data_lock import DataLock
    from pipeline.transfers.download_job import Manners
    from pipeline.transfers.download_journal import Fetched
    from pipeline.transfers.shard_download import Outcome
    from pipeline.transfers.single_clips import SingleClip
    from pipeline.transfers.sources import PartSources

logger = logging.getLogger(__name__)

COLUMNS = ("clip", "path", "status", "bytes", "sha256", "source", "offset_seconds", "reason")


def download(
    clips: pd.DataFrame,
    sources: Mapping[str, PartSources],
    shard: int,
    num_shards: int,
    videos: Path,
    report: Path,
    *,
    manners: Manners,
    lock: DataLock,
    mirror: str | None = None,
) -> dict[str, float]:
    """Make the folder `videos` and the table `report` of one shard; return counts.

    Args:
        clips: the clip table, of all shards.
        sources: the sources of each part in it.
        shard: this shard's number, from 0.
        lock: the hashes of what was downloaded before; a video that differs is not taken.
        mirror: address that stands for `{mirror}`.

    Raises:
        ValueError: `{mirror}` is asked for and not given.
        OSError: the disk is full or not writable; the next run goes on from there.
    """
    from pipeline.transfers.data_lock import ACCEPT
    from pipeline.transfers.local_files import keep_links_only, link_or_copy
    from pipeline.transfers.shard_download import fetch_shard

    singles, archives = plan(clips, sources, shard, num_shards)
    # Beside the outputs, not in them: Snakemake deletes the outputs of a job that was killed.
    working = videos.with_name(f".{videos.name}.partial")
    outcome = fetch_shard(singles, archives, working, manners, lock, mirror)
    for clip, reason in outcome.reasons.items():
        if "sha256" in reason:
            logger.warning("%s: %s; %s=1 in the environment takes it", clip, reason, ACCEPT)
    lock.add({row.address: row.file for row in outcome.fetched.values() if row.address})
    with written(report) as temporary:
        _write_report(outcome, clips, temporary)
    with written_folder(videos) as folder:
        for row in outcome.fetched.values():
            link_or_copy(working / row.path, folder / Path(row.path).name)
    if outcome.is_unfinished:
        # A later run asks again for the rest: what is here then comes from here.
        keep_links_only(working)
    else:
        shutil.rmtree(working)
    return {
        "clips": len(outcome.fetched),
        "missing": len(outcome.reasons),
        "bytes": sum(row.bytes for row in outcome.fetched.values()),
        "archives": len(archives),
        "archives_broken": len(outcome.broken_archives),
    }


def plan(
    clips: pd.DataFrame, sources: Mapping[str, PartSources], shard: int, num_shards: int
) -> tuple[list[SingleClip], dict[str, set[str]]]:
    """Which clips a shard fetches one by one, and which archives it searches for which clips.

    A clip of a part with archives that no file list or folder names is left to the archives, and so
    to all shards.
    """
    from pipeline.transfers.single_clips import SingleClip
    from pipeline.transfers.sources import WantedClip

    singles: dict[str, SingleClip] = {}
    left: dict[str, set[str]] = {part: set() for part in sources}
    names = ("clip", "video_id", "start_seconds", "end_seconds", "offset_seconds")
    rows = zip(*(clips[name].tolist() for name in names), strict=True)
    for part, owner, row in zip(clips["part"].tolist(), clips["shard"].tolist(), rows, strict=True):
        source, want = sources[part], WantedClip(*row)
        if source.archives and (not owner or not source.finds(want)):
            left[part].add(want.clip)
        elif owner and int(owner) == shard:
            # Parts may share a clip: any of their sources will do.
            single = singles.setdefault(want.clip, SingleClip(want, []))
            single.sources.extend(source.single)
    archives: dict[str, set[str]] = {}
    for part, wanted in left.items():
        for archive in sources[part].archives[shard::num_shards] if wanted else []:
            archives.setdefault(archive, set()).update(wanted)
    return list(singles.values()), archives


def _write_report(outcome: Outcome, clips: pd.DataFrame, path: Path) -> None:
    """Write the table sorted by clip; equal outcomes give equal bytes."""
    offsets = dict(zip(clips["clip"], clips["offset_seconds"], strict=True))
    rows = [*_found(outcome.fetched.values(), offsets), *_missing(outcome.reasons)]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(sorted(rows))


def _found(rows: Iterable[Fetched], offsets: Mapping[str, float]) -> Iterable[tuple[str, ...]]:
    for row in rows:
        offset = offsets[row.clip] if row.offset_seconds is None else row.offset_seconds
        file = Path(row.path).name, "ok", str(row.bytes), row.sha256
        yield row.clip, *file, row.source, str(float(offset)), ""


def _missing(reasons: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    for clip, reason in reasons.items():
        yield clip, "", "missing", "0", "", "", "", reason


def _shard_number(name: str, params: Params) -> int:
    if name not in params.shards:
        raise ValueError(f"--shard: found {name!r}, expected one of {params.shards}")
    return params.shards.index(name)


def main(argv: list[str] | None = None) -> None:
    flags = parser(__doc__)
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--raw", type=Path, required=True, help="folder of the raw annotations")
    flags.add_argument("--shard", required=True, help='such as "00"')
    flags.add_argument("--videos", type=Path, required=True, help="the folder to make")
    flags.add_argument("--report", type=Path, required=True, help="the table to write")
    flags.add_argument("--mirror", type=Path, help="folder to serve on loopback as {mirror}")
    add_lock_flags(flags)
    args = flags.parse_args(argv)
    from pipeline.clips import read_clips
    from pipeline.params import load_params
    from pipeline.transfers.data_lock import lock_of
    from pipeline.transfers.download_job import Manners
    from pipeline.transfers.http_reader import Patience
    from pipeline.transfers.mirror_server import serve
    from pipeline.transfers.sources import open_sources

    params = load_params(args.params)
    section = params.download
    with serve(args.mirror) if args.mirror else contextlib.nullcontext() as mirror:
        counts = download(
            read_clips(args.clips),
            {part.name: open_sources(part, args.raw) for part in params.data.parts},
            _shard_number(args.shard, params),
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
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
