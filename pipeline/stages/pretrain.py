"""Get the weights that detectors start from: train them on clip labels, or fetch published ones."""

import argparse
from functools import partial
from pathlib import Path

from pipeline.core.command import add_lock_flags, parser, run


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    from pipeline.download.data_lock import open_lock
    from pipeline.settings.params import load_params
    from pipeline.training.launch import run_in_processes
    from pipeline.training.pretraining import record, train_on_labels, use_checkpoint

    params = load_params(args.params)
    known = params.data.pretrained
    if args.name not in known:
        raise ValueError(f"--name: found {args.name!r}, expected one of {list(known)}")
    if known[args.name].checkpoint is None:
        work = partial(train_on_labels, args, params)
        run_in_processes("pipeline.stages.pretrain", args.processes, argv, work)
    else:
        lock = open_lock(args.lock, args.accept_changed)
        record(args, params, use_checkpoint(args.name, params, args.model, lock))


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = parser(__doc__)
    flags.add_argument("--name", required=True, help="a name in the dataset's `pretrained`")
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--frames", type=Path, required=True, help="folder of the stored frames")
    flags.add_argument("--model", type=Path, required=True, help="weights to write")
    flags.add_argument("--processes", type=int, default=1, help="that share the work, one per GPU")
    flags.add_argument("--state", type=Path, help="where an interrupted training is kept")
    add_lock_flags(flags)
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
