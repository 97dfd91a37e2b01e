"""CPU and memory of the score command on 6.8 million rows, beside what parsing them alone takes.

    python -m benchmarks.score [--folder FOLDER]

Writes its own files (0.7 GB) to the folder, or to a temporary one.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.commands import measure
from benchmarks.made_files import write_files

ROOT = Path(__file__).resolve().parents[1]
LABELS = ROOT / "tests/reference/evaluator/labels.pbtxt"
FLOOR = """
import sys
from pyarrow import csv
csv.read_csv(sys.argv[1], csv.ReadOptions(autogenerate_column_names=True))
"""
PAIRED = """
import resource, sys
from pathlib import Path
from pipeline.evaluation.uncertainty import draw_videos, paired_step
from pipeline.evaluation.file_scores import score_files
ground_truth, first, second, labels = map(Path, sys.argv[1:])
a, b = (score_files(ground_truth, path, labels) for path in (first, second))
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
start = cpu()
step = paired_step(a.matches, b.matches, b.mAP - a.mAP, draw_videos(len(a.matches.video_ids), 1000))
print(f"{cpu() - start:.1f} {step.interval.low:+.4f} {step.interval.high:+.4f}")
"""


class Files(NamedTuple):
    ground_truth: Path
    first: Path
    second: Path


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--folder", type=Path, help="where the made files are or shall be")
    flags.add_argument("--runs", type=int, default=5)
    args = flags.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        files = Files(folder / "ground_truth.csv", folder / "first.csv", folder / "second.csv")
        if not all(path.exists() for path in files):
            write_files(folder, LABELS)
        compare(files, args.runs)


def compare(made: Files, runs: int) -> None:
    ground_truth, first, second = made
    python = [sys.executable]
    files = [
        "--ground-truth",
        str(ground_truth),
        "--detections",
        str(first),
        "--labels",
        str(LABELS),
    ]
    commands = {
        "parse floor": [*python, "-c", FLOOR, str(first)],
        **{
            f"score, {protocol}": [*python, "-m", "pipeline.score", *files, "--protocol", protocol]
            for protocol in ("official", "uncapped", "mmaction2")
        },
    }
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(runs):  # in turn, so that all see the same machine
        for name, command in commands.items():
            measured[name].append(measure(ground_truth.parent, *command, at=ROOT))
    floor = statistics.median(cpu for cpu, _ in measured["parse floor"])
    show = sys.stdout.write
    show(f"median of {runs} runs       CPU s  x floor  peak GiB\n")
    for name, values in measured.items():
        cpu = statistics.median(cpu for cpu, _ in values)
        show(f"{name:22}{cpu:7.2f}{cpu / floor:9.2f}{max(peak for _, peak in values):9.2f}\n")
    words = [str(path) for path in (ground_truth, first, second, LABELS)]
    done = subprocess.run(
        [*python, "-c", PAIRED, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    cpu_text, low, high = done.stdout.split()
    show(
        f"1000 paired resamples of both files: {cpu_text} CPU s, {float(cpu_text) / floor:.1f} x "
        f"floor (95 % interval of the difference {low} to {high})\n"
    )


if __name__ == "__main__":
    main()
