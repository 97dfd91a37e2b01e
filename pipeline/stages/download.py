"""Fetch the videos of one batch: what one shard has to fetch in one round of the sources.

In: the clip table, the raw annotations' lists, and the tables of the rounds before. Out: a folder
with exactly the batch's videos, and a table with one row per clip that the batch answers for: where
its file came from, or why there is none.

A round asks for the clips that the rounds before lack. Clips that only archives can give belong to
whichever shard reads the archive that holds them: shard i of n reads archives i, i + n, ... of each
part. Such a clip has a row only where it was found.
"""

from pathlib import Path

from pipeline.core.command import add_lock_flags, parser, run
from pipeline.core.summaries import write_summary


def main(argv: list[str] | None = None) -> None:
    flags = parser(__doc__)
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--raw", type=Path, required=True, help="folder of the raw annotations")
    flags.add_argument("--batch", required=True, help='shard and round, such as "00" or "00_2"')
    flags.add_argument("--earlier", type=Path, required=True, help="folder of the tables before")
    flags.add_argument("--videos", type=Path, required=True, help="the folder to make")
    flags.add_argument("--report", type=Path, required=True, help="the table to write")
    flags.add_argument("--mirror", type=Path, help="folder to serve on loopback as {mirror}")
    add_lock_flags(flags)
    args = flags.parse_args(argv)
    from pipeline.download.batch_download import download_batch

    write_summary(args.summary, download_batch(args))


if __name__ == "__main__":
    run(main)
