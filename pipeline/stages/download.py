"""Download the videos of one job: what one shard has to fetch in one pass of the sources.

In: the clip table, the raw annotations' lists, and the tables of the passes before. Out: a folder
with exactly the job's videos, and a table with one row per clip that the job answers for: where its
file came from, or why there is none.

A pass is for the clips that the passes before lack. Clips that only archives hold belong to
whichever shard reads the archive that holds them: shard i of n reads archives i, i + n, ... of each
subset. Such a clip has a row only where it was found.
"""

from pathlib import Path

from pipeline.core.command import add_lock_flags, parser, run
from pipeline.core.summaries import write_summary


def main(argv: list[str] | None = None) -> None:
    flags = parser(__doc__)
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--raw", type=Path, required=True, help="folder of the raw annotations")
    flags.add_argument("--job", required=True, help='shard and pass, such as "00" or "00_2"')
    flags.add_argument("--earlier", type=Path, required=True, help="folder of the tables before")
    flags.add_argument("--videos", type=Path, required=True, help="the folder to make")
    flags.add_argument("--report", type=Path, required=True, help="the table to write")
    flags.add_argument("--mirror", type=Path, help="folder to serve on loopback as {mirror}")
    add_lock_flags(flags)
    args = flags.parse_args(argv)
    from pipeline.demo.mirror_server import serve_if_given
    from pipeline.download.data_lock import open_lock
    from pipeline.download.job import download_job
    from pipeline.settings.params import load_params

    with serve_if_given(args.mirror) as mirror:
        counts = download_job(
            params=load_params(args.params),
            job=args.job,
            clips=args.clips,
            raw=args.raw,
            earlier=args.earlier,
            videos=args.videos,
            report=args.report,
            lock=open_lock(args.lock, args.accept_changed),
            mirror=mirror,
        )
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
