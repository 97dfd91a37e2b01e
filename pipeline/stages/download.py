"""Fetch the videos of one shard: single files, local folders, and its share of the archives.

In: the clip table and the raw annotations' lists. Out: a folder with exactly the shard's videos,
and a table with one row per clip that the shard answers for: where its file came from, or why
there is none.

Clips that only archives can give belong to whichever shard reads the archive that holds them: shard
i of n reads archives i, i + n, ... of each part. Such a clip has a row only where it was found.
"""

import contextlib
import csv
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from pipeline.atomic import written, written_folder
from pipeline.clips import read_clips
from pipeline.command import parser, run
from pipeline.params import Params, load_params
from pipeline.summaries import write_summary
from pipeline.transfers.download_journal import Fetched
from pipeline.transfers.http_reader import Patience
from pipeline.transfers.mirror_server import serve
from pipeline.transfers.shard_download import Outcome, SingleClip, fetch_shard, link_or_copy
from pipeline.transfers.sources import PartSources, open_sources

COLUMNS = ("clip", "path", "status", "bytes", "sha256", "source", "reason")


def download(
    clips: pd.DataFrame,
    sources: Mapping[str, PartSources],
    shard: int,
    num_shards: int,
    videos: Path,
    report: Path,
    *,
    patience: Patience,
    connections: int,
    mirror: str | None = None,
) -> dict[str, float]:
    """Make the folder `videos` and the table `report` of one shard; return counts.

    Args:
        clips: the clip table, of all shards.
        sources: the sources of each part in it.
        shard: this shard's number, from 0.
        mirror: address that stands for `{mirror}`.

    Raises:
        ValueError: `{mirror}` is asked for and not given.
        OSError: the disk is full or not writable; the next run goes on from there.
    """
    singles, archives = plan(clips, sources, shard, num_shards)
    # Beside the outputs, not in them: Snakemake deletes the outputs of a job that was killed.
    working = videos.with_name(f".{videos.name}.partial")
    outcome = fetch_shard(singles, archives, working, patience, connections, mirror)
    with written(report) as temporary:
        _write_report(outcome, temporary)
    with written_folder(videos) as folder:
        for row in outcome.fetched.values():
            link_or_copy(working / row.path, folder / Path(row.path).name)
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
    singles: dict[str, SingleClip] = {}
    left: dict[str, set[str]] = {part: set() for part in sources}
    columns = (clips[name].tolist() for name in ("part", "clip", "video_id", "shard"))
    for part, clip, video_id, owner in zip(*columns, strict=True):
        source = sources[part]
        if source.archives and (not owner or not source.finds(clip, video_id)):
            left[part].add(clip)
        elif owner and int(owner) == shard:
            # Parts may share a clip: any of their sources will do.
            single = singles.setdefault(clip, SingleClip(clip, video_id, []))
            single.sources.extend(source.single)
    archives: dict[str, set[str]] = {}
    for part, wanted in left.items():
        for archive in sources[part].archives[shard::num_shards] if wanted else []:
            archives.setdefault(archive, set()).update(wanted)
    return list(singles.values()), archives


def _write_report(outcome: Outcome, path: Path) -> None:
    """Write the table sorted by clip; equal outcomes give equal bytes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(sorted([*_found(outcome.fetched.values()), *_missing(outcome.reasons)]))


def _found(rows: Iterable[Fetched]) -> Iterable[tuple[str, ...]]:
    for row in rows:
        name = Path(row.path).name
        yield row.clip, name, "ok", str(row.bytes), row.sha256, row.source, ""


def _missing(reasons: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    for clip, reason in reasons.items():
        yield clip, "", "missing", "0", "", "", reason


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
    args = flags.parse_args(argv)
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
            patience=Patience(section.timeout_seconds, section.attempts),
            connections=section.connections,
            mirror=mirror,
        )
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
