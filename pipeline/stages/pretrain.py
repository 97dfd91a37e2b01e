"""Make the weights that detectors start from: on clip labels, published ones, or fresh ones."""

import argparse
from functools import partial
from pathlib import Path

from pipeline.core.command import add_lock_flags, parser, run


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    from pipeline.core.source_code import code_digest
    from pipeline.download.data_lock import open_lock
    from pipeline.settings.params import load_params
    from pipeline.training.pretraining import train_on_labels, use_checkpoint, use_fresh_weights
    from pipeline.training.processes import run_in_processes

    params = load_params(args.params)
    known = params.data.pretrained
    if args.name not in known:
        raise ValueError(f"--name: found {args.name!r}, expected one of {list(known)}")
    outputs = {"name": args.name, "model": args.model, "summary": args.summary}
    if known[args.name].checkpoint is not None:
        use_checkpoint(params=params, **outputs, lock=open_lock(args.lock, args.accept_changed))
        return
    if known[args.name].fresh:
        use_fresh_weights(params=params, **outputs)
        return
    work = partial(
        train_on_labels,
        params=params,
        **outputs,
        clips=args.clips,
        frames=args.frames,
        state=args.state,
        code=code_digest("pretrain"),
    )
    run_in_processes("pipeline.stages.pretrain", args.processes, argv, work)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = parser(__doc__)
    flags.add_argument("--name", required=True, help="a name in the dataset's `pretrained`")
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--frames", type=Path, required=True, help="folder of the stored frames")
    flags.add_argument("--model", type=Path, required=True, help="weights to write")
    flags.add_argument("--processes", type=int, default=1, help="that share the work, one GPU each")
    flags.add_argument("--state", type=Path, help="where an interrupted training is saved")
    add_lock_flags(flags)
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
