"""Download the annotation files of a dataset, check them and unpack their archives.

In: addresses or local paths from params.yaml. Out: a flat folder, with SHA256SUMS of what was
published (`sha256sum -c` understands it).
"""

from pathlib import Path

from pipeline.core.command import add_lock_flags, parser, run
from pipeline.core.summaries import write_summary


def main(argv: list[str] | None = None) -> None:
    flags = parser(__doc__)
    flags.add_argument("--mirror", type=Path, help="folder to serve on loopback as {mirror}")
    flags.add_argument("--raw", type=Path, required=True, help="the folder to make")
    add_lock_flags(flags)
    args = flags.parse_args(argv)
    from pipeline.demo.mirror_server import serve_if_given
    from pipeline.download.annotation_files import download_annotations
    from pipeline.download.data_lock import open_lock
    from pipeline.download.http import RetryPolicy
    from pipeline.settings.params import load_params

    params = load_params(args.params)
    section = params.download_annotations
    with serve_if_given(args.mirror) as mirror:
        counts = download_annotations(
            params.data.annotation_files,
            args.raw,
            policy=RetryPolicy(section.timeout_seconds, section.attempts),
            lock=open_lock(args.lock, args.accept_changed),
            mirror=mirror,
        )
    write_summary(args.summary, counts)


if __name__ == "__main__":
    run(main)
