"""What starting a stage costs, beside starting Python.

    python -m benchmarks.start_up

`--help` of every stage, a job of each light stage that finds nothing to do, and which stages load
torch.
"""

import ast
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.rows import ROOT, Row, compared, in_turn, process_cpu_seconds, report
from pipeline.clips import COLUMNS
from pipeline.code_files import code_files
from pipeline.sections import STAGES

TURNS = 9
AGAINST = "python -c pass"
MOST_HELP_SECONDS, MOST_JOB_SECONDS = 0.3, 0.5
NEEDS_TORCH = {"pretrain", "train", "evaluate"}
MAY_NEED_TORCH = {"detect_people"}  # where no boxes are published


def rows() -> Iterator[Row]:
    python = [sys.executable]
    commands = {stage: [*python, "-m", f"pipeline.stages.{stage}", "--help"] for stage in STAGES}
    with tempfile.TemporaryDirectory() as folder:
        job = "job of cut_clips without a clip"
        commands |= {AGAINST: [*python, "-c", "pass"], job: [*python, *empty_job(Path(folder))]}
        measured = in_turn(
            {name: partial(process_cpu_seconds, command) for name, command in commands.items()},
            TURNS,
        )
    floor = measured.pop(AGAINST)
    for name, seconds in measured.items():
        spent = statistics.median(seconds)
        if name == job:
            over = spent - statistics.median(floor)
            goal, met, note = f"{MOST_JOB_SECONDS} s over it", over <= MOST_JOB_SECONDS, ""
        else:
            goal, met = f"{MOST_HELP_SECONDS} s", spent <= MOST_HELP_SECONDS
            note = "loads torch" if loads_torch(commands[name]) else ""
        row = compared(name if name == job else f"{name} --help", AGAINST, "CPU s", seconds, floor)
        yield Row(**{**vars(row), "goal": f"<= {goal}", "met": met, "note": note})
    guilty = [
        stage for stage in STAGES if stage not in NEEDS_TORCH | MAY_NEED_TORCH and torch_in(stage)
    ]
    yield Row(
        "light stages with torch in their code",
        "stages",
        "count",
        len(guilty),
        len(STAGES),
        goal="none",
        met=not guilty,
        note=", ".join(guilty),
    )


def empty_job(folder: Path) -> list[str]:
    """The command of a shard that has nothing to cut: what it spends is start-up alone."""
    (folder / "clips.csv").write_text(",".join(COLUMNS) + "\n")
    (folder / "downloaded.csv").write_text("clip,path,status,offset_seconds\n")
    flags = {
        "clips": "clips.csv",
        "videos": "videos",
        "downloaded": "downloaded.csv",
        "cut": "cut",
        "report": "cut.csv",
    }
    paths = [text for name, path in flags.items() for text in (f"--{name}", str(folder / path))]
    return ["-m", "pipeline.stages.cut_clips", "--shard", "00", *paths]


def loads_torch(command: list[str]) -> bool:
    """Whether a Python command imports torch."""
    traced = [command[0], "-X", "importtime", *command[1:]]
    done = subprocess.run(traced, cwd=ROOT, capture_output=True, text=True, check=True)
    return any(line.rpartition("|")[2].strip() == "torch" for line in done.stderr.splitlines())


def torch_in(stage: str) -> bool:
    """Whether any file that the stage can reach imports torch, early or late."""
    for path in code_files(stage):
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names.append(node.module)
            if any(name.partition(".")[0] == "torch" for name in names):
                return True
    return False


if __name__ == "__main__":
    report(rows)
