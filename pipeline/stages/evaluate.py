"""Run a trained variant over the validation splits and score its detections."""

import argparse
from pathlib import Path

from pipeline.core.command import parser, run


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    from pipeline.settings.params import load_params
    from pipeline.training.gpus import leased_gpus
    from pipeline.training.variant_evaluation import evaluate_variant

    with leased_gpus(1):
        evaluate_variant(
            params=load_params(args.params),
            variant=args.variant,
            model=args.model,
            raw=args.raw,
            index=args.index,
            frames=args.frames,
            out=args.out,
            summary=args.summary,
        )


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = parser(__doc__)
    flags.add_argument("--variant", required=True, help="a name in `variants`")
    flags.add_argument("--model", type=Path, required=True, help="its trained weights")
    flags.add_argument("--raw", type=Path, required=True, help="folder of the annotation files")
    flags.add_argument("--index", type=Path, required=True, help="folder of the keyframe indexes")
    flags.add_argument("--frames", type=Path, required=True, help="folder of the stored frames")
    flags.add_argument("--out", type=Path, required=True, help="folder of the variant's results")
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
