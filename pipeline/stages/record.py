"""Record what Snakemake has just built: the data stages in MLflow, the outputs in DVC.

Afterwards `dvc status` is clean. Inside `dvc repro` DVC records the outputs itself. Outside a git
repository (in a source archive, say) DVC cannot work, and a line says so.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

from pipeline.core.atomic import written
from pipeline.core.command import parser, run

logger = logging.getLogger(__name__)

# Trainings and evaluations record themselves; what the jobs of these stages did is in their logs.
DATA_STAGES = (
    "draw_world",
    "download_annotations",
    "list_clips",
    "download",
    "cut_clips",
    "extract_frames",
    "detect_people",
    "merge_annotations",
)


def record(root: Path) -> str:
    """Commit the outputs below `root` to DVC; return one line that says what was done."""
    if "DVC_ROOT" in os.environ:
        return "recorded by dvc repro"
    if not (root / ".git").exists() or not (root / ".dvc").exists():
        return "not recorded in DVC: this folder is not a git repository"
    if reason := _beyond_dvc(root):
        return f"not recorded in DVC, which cannot: {reason}"
    # --no-relink: links would give the outputs new timestamps, and Snakemake would build again.
    command = [sys.executable, "-m", "dvc", "commit", "--force", "--no-relink"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = f"{done.stdout}\n{done.stderr}".splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise ValueError(f"dvc commit: exit code {done.returncode}: {'; '.join(errors)[:500]}")
    return "recorded in DVC: dvc.lock now names these versions"


def _beyond_dvc(root: Path) -> str:
    """Return why DVC cannot work here, or an empty text."""
    if set(str(root.resolve())) & set("{}"):
        return f"there are braces in the name of a folder of {root.resolve()}"
    for path in (*root.glob("data/*"), *root.glob("results/*"), root / "data", root / "results"):
        if not path.resolve().is_relative_to(root.resolve()):
            return f"{path.relative_to(root)} leads out of this folder, to {path.resolve()}"
    return ""


def main(argv: list[str] | None = None) -> None:
    flags = parser(__doc__)
    flags.add_argument("--logs", type=Path, required=True, help="has <stage>/*.json of the dataset")
    flags.add_argument("--stamp", type=Path, required=True, help="file to write at the end")
    args = flags.parse_args(argv)
    from pipeline.core.tracking import mirror_stages
    from pipeline.settings.params import load_params

    mirror_stages(load_params(args.params).dataset, args.logs, DATA_STAGES)
    said = record(Path.cwd())
    logger.info("%s", said)
    with written(args.stamp) as temporary:
        temporary.write_text(said + "\n")


if __name__ == "__main__":
    run(main)
