"""Say what building the configured dataset will take: downloads, disk, time; and what is there.

Estimated from published sizes and, when it is there, from the clip table: orders of magnitude. A
disk that is too small is a warning; with --check that is exit code 1.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.core.command import run
from pipeline.plan.figures import GB, Means, Step


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    from pipeline.plan.disk import disks_of
    from pipeline.plan.stages import plan_steps
    from pipeline.settings.params import load_params

    params = load_params(args.params)
    means = Means(args.megabytes_per_second * 1e6, args.cores, args.teraflops * 1e12)
    steps = plan_steps(params, args.root, means)
    has_cache = (args.root / ".dvc").is_dir()
    disks = disks_of(steps, args.root, params.dataset, has_cache)
    lines = [f"dataset {params.dataset}", table(steps)]
    lines += [f"{step.stage}: {note}" for step in steps for note in step.notes]
    if has_cache:
        lines.append("DVC's cache holds a second copy, unless the file system makes reflinks.")
    lines += [f"free for {', '.join(each.folders)}: {_amount(each.free_bytes)}" for each in disks]
    videos = args.root / "data" / params.dataset / "videos"
    if again := tables_to_try_again(videos, params.every_job):
        lines.append(
            "clips that may come in a later run: snakemake --cores 4 --forcerun "
            + " ".join(map(str, again))
        )
    lacking = [each for each in disks if each.lacking_bytes]
    lines += [
        f"WARNING: the disk of {', '.join(each.folders)} is too small by "
        f"{_amount(each.lacking_bytes)}"
        for each in lacking
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    if lacking and args.check:
        sys.exit(1)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--params", type=Path, default=Path("params.yaml"), help="the settings")
    flags.add_argument("--root", type=Path, default=Path(), help="folder of data and results")
    flags.add_argument("--check", action="store_true", help="exit code 1 when a disk is too small")
    flags.add_argument("--megabytes-per-second", type=float, default=30.0, help="of the network")
    flags.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    flags.add_argument("--teraflops", type=float, default=40.0, help="a second, of the GPU")
    return flags.parse_args(argv)


def table(steps: Sequence[Step]) -> str:
    """Return the plan as lines of equal columns."""
    rows: list[tuple[str, ...]] = [("stage", "what", "to download", "on disk", "there", "time")]
    for step in steps:
        sizes = (step.download_bytes, step.disk_bytes, step.there_bytes)
        rows.append((step.stage, step.what, *map(_amount, sizes), _duration(step.seconds)))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def tables_to_try_again(videos: Path, jobs: Iterable[str]) -> list[Path]:
    """Return the tables of videos with clips that no source has given and a later run may get."""
    from pipeline.core.tables import read_table
    from pipeline.download.youtube_refusals import may_come_later

    there: set[str] = set()
    open_: dict[Path, set[str]] = {}
    paths = [videos / f"{job}.csv" for job in jobs]
    for path in filter(Path.is_file, paths):
        for row in read_table(path, ("clip", "reason"), exact=False):
            if row.get("status") == "ok":
                there.add(row["clip"])
            elif may_come_later(row["reason"]):
                open_.setdefault(path, set()).add(row["clip"])
    return [path for path, clips in open_.items() if clips - there]


def _amount(num_bytes: float) -> str:
    if num_bytes < 5e4:
        return "-"
    return f"{num_bytes / GB:,.1f} GB" if num_bytes >= 0.1 * GB else f"{num_bytes / 1e6:,.1f} MB"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "-"
    for limit, unit, length in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.1f} days"


if __name__ == "__main__":
    run(main)
