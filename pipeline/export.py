"""Write a trained model the way published ones come: their names of weights, their name of file.

The file loads in mmaction2 and back here (`checkpoint:` of an entry in `pretrained`). Its name ends
in the first eight hex digits of its sha256, which every reader here checks.
"""

import argparse
import sys
from pathlib import Path

from pipeline.core.command import run


def export(model: Path, out: Path) -> Path:
    """Write the weights of `model` beside `out`, and return the path with its digits.

    What a training notes about itself stays out: equal weights and settings give equal bytes.

    Raises:
        ValueError: `model` is no checkpoint, or its own digits do not match.
    """
    from pipeline.models.checkpoints import read_meta, read_weights, with_digits, write_weights

    meta = read_meta(model)
    known: dict[str, object] = {key: meta[key] for key in ("variant", "train") if key in meta}
    write_weights(out, read_weights(model), known)
    return with_digits(out)


def main(argv: list[str] | None = None) -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--model", type=Path, required=True, help="model.pt or best.pt of a variant")
    flags.add_argument("--out", type=Path, required=True, help="where to; digits are added")
    args = flags.parse_args(argv)
    sys.stdout.write(f"{export(args.model, args.out)}\n")


if __name__ == "__main__":
    run(main)
