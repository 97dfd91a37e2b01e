"""Record in DVC what Snakemake has just built, so that `dvc status` is clean and outputs are kept.

Inside `dvc repro` there is nothing to record: DVC does it itself. Outside a git repository (in a
source archive, say) DVC cannot work, and a line says so.
"""

import argparse
import logging
import os
import subprocess
import sys
from pathlib import Path

from pipeline.core.atomic import written
from pipeline.core.command import run

logger = logging.getLogger(__name__)


def record(root: Path) -> str:
    """Commit the outputs below `root` to DVC; returns one line that says what was done."""
    if "DVC_ROOT" in os.environ:
        return "recorded by dvc repro"
    if not (root / ".git").exists() or not (root / ".dvc").exists():
        return "not recorded in DVC: this folder is not a git repository"
    # --no-relink: links would give the outputs new timestamps, and Snakemake would build again.
    command = [sys.executable, "-m", "dvc", "commit", "--force", "--quiet", "--no-relink"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"dvc commit: exit code {done.returncode}: {done.stderr.strip()}")
    return "recorded in DVC: dvc.lock now names these versions"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stamp", type=Path, help="file to write when the build is recorded")
    args = parser.parse_args()
    said = record(Path.cwd())
    logger.info("%s", said)
    with written(args.stamp) as temporary:
        temporary.write_text(said + "\n")


if __name__ == "__main__":
    run(main)
