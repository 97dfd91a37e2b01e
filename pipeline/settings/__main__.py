"""Print the settings in force and where each comes from: `python -m pipeline.settings [VARIANT]`.

    python -m pipeline.settings                   # every stage but the trainings
    python -m pipeline.settings focal             # the training of one variant
    python -m pipeline.settings --dataset mine    # another dataset of the file
    python -m pipeline.settings --schema          # JSON schema, which editors complete and check by

Exit code 2 and a line for each mistake if the file has any.
"""

import argparse
import sys
from pathlib import Path

from pipeline.core.command import run


def main(argv: list[str] | None = None) -> None:
    flags = argparse.ArgumentParser(
        prog="python -m pipeline.settings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flags.add_argument("variant", nargs="?", help="show its training instead of the other stages")
    flags.add_argument("--params", type=Path, default=Path("params.yaml"), help="the settings")
    flags.add_argument("--dataset", help="when not the one that the file names")
    flags.add_argument("--schema", action="store_true", help="print the JSON schema of the file")
    args = flags.parse_args(argv)
    if args.schema:
        from pipeline.settings.schema import schema_text

        sys.stdout.write(schema_text())
        return
    sys.stdout.write("\n".join(lines(args.params, args.dataset, args.variant)) + "\n")


def lines(path: Path, dataset: str | None, variant: str | None) -> list[str]:
    """Return `train.epochs  3  line 215 (datasets.demo.settings.train)` for each value.

    Args:
        path: of params.yaml.
        dataset: when not the one that the file names.
        variant: whose training is shown; None for all other stages.

    Raises:
        ValueError: the file has mistakes, or no such dataset or variant.
    """
    from pipeline.settings.origins import in_force
    from pipeline.settings.params import Params
    from pipeline.settings.sections import STAGES
    from pipeline.settings.yaml_file import line_of, read_yaml

    raw = read_yaml(path)
    params = Params(raw, str(path), dataset)
    stages = [stage for stage in STAGES if stage != "train"] if variant is None else ["train"]
    rows = [("setting", f"value for {params.dataset}", "comes from")]
    for stage in stages:
        for key, value, keys in in_force(params, raw, stage, variant):
            origin = f"line {line_of(path, keys)} ({'.'.join(map(str, keys[:-1]))})"
            rows.append((f"{stage}.{key}", str(value), origin if keys else "its default"))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    widths[1] = min(widths[1], 40)  # a list of augmentations may be longer than that
    return [f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}" for name, value, origin in rows]


if __name__ == "__main__":
    run(main)
