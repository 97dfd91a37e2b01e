"""Train the detector of one variant."""

import argparse
from functools import partial
from pathlib import Path

from pipeline.core.command import parser, run


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    from pipeline.core.source_code import code_digest
    from pipeline.settings.params import load_params
    from pipeline.training.processes import run_in_processes
    from pipeline.training.variant_training import train_variant

    work = partial(
        train_variant,
        params=load_params(args.params),
        variant=args.variant,
        raw=args.raw,
        index=args.index,
        frames=args.frames,
        pretrained=args.pretrained,
        model=args.model,
        best=args.best,
        history=args.history,
        state=args.state,
        summary=args.summary,
        code=code_digest("train"),
    )
    run_in_processes("pipeline.stages.train", args.processes, argv, work)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = parser(__doc__)
    flags.add_argument("--variant", required=True, help="a name in `variants`")
    flags.add_argument("--raw", type=Path, required=True, help="folder of the annotation files")
    flags.add_argument("--index", type=Path, required=True, help="folder of the keyframe indexes")
    flags.add_argument("--frames", type=Path, required=True, help="folder of the stored frames")
    flags.add_argument("--pretrained", type=Path, required=True, help="weights to start from")
    flags.add_argument("--model", type=Path, required=True, help="last epoch's weights, to write")
    flags.add_argument("--best", type=Path, required=True, help="best epoch's weights, to write")
    flags.add_argument("--history", type=Path, required=True, help="table of epochs to write")
    flags.add_argument("--processes", type=int, default=1, help="that share the work, one GPU each")
    flags.add_argument("--state", type=Path, help="where an interrupted training is saved")
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
