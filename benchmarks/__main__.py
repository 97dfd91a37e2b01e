"""Run every benchmark, each as a process of its own, and print one table.

python -m benchmarks [--markdown FILE]
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.rows import ROOT, Row, markdown, show, table

BENCHMARKS = (
    "start_up",
    "keyframe_window",
    "model_on_cpu",
    "model_on_gpu",
    "feeding",
    "waiting",
    "evaluation",
)


def run(name: str) -> list[Row]:
    """The rows of one benchmark; RuntimeError when it fails (its own words are on stderr)."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"benchmarks.{name} ended with {done.returncode}")
    return [Row(**json.loads(line)) for line in done.stdout.splitlines()]


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--markdown", type=Path, help="where to write the ratios for the docs")
    args = flags.parse_args()
    started, rows = time.monotonic(), list[Row]()
    for name in BENCHMARKS:
        sys.stderr.write(f"{name} ...\n")
        rows += run(name)
    show(table(rows))
    show(f"\n{time.monotonic() - started:.0f} s in all\n")
    if args.markdown is not None:
        args.markdown.write_text(markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
