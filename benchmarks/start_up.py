"""What starting a command costs, beside starting Python and what no command can do without.

    python -m benchmarks.start_up

`--help` of every stage and command, a job of a light stage that finds nothing to do, and which
stages load torch.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.rows import Row, compared, in_turn, process_cpu_seconds, report
from pipeline.clips import COLUMNS
from pipeline.settings.sections import STAGES
from tests.import_graph import imported, reachable

TURNS = 31  # many, as it takes little to disturb a start of a few hundredths of a second
COMMANDS = {stage: f"pipeline.stages.{stage}" for stage in STAGES}
COMMANDS |= {name: f"pipeline.{name}" for name in ("score", "plan", "export")}
FLAGS = "Python with argparse and logging"
LIBRARIES = "importing av and numpy"
NOTHING = "python -c pass"
JOB = "job of cut_clips without a clip"
MOST_HELP_SECONDS, MOST_JOB_SECONDS = 0.3, 0.5
NEEDS_TORCH = {"pretrain", "train", "evaluate"}
MAY_NEED_TORCH = {"detect_people"}  # where no boxes are published


def rows() -> Iterator[Row]:
    # What is measured is a machine where the modules have been compiled once.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    python = [sys.executable]
    with tempfile.TemporaryDirectory() as folder:
        commands = {name: [*python, "-m", module, "--help"] for name, module in COMMANDS.items()}
        commands |= {
            FLAGS: [*python, "-c", "import argparse, logging"],
            LIBRARIES: [*python, "-c", "import av, numpy"],
            NOTHING: [*python, "-c", "pass"],
            JOB: [*python, *empty_job(Path(folder))],
        }
        measured = in_turn(
            {name: partial(process_cpu_seconds, command) for name, command in commands.items()},
            TURNS,
        )
    for name in COMMANDS:
        spent = measured[name]
        row = compared(f"{name} --help", FLAGS, "CPU s", spent, measured[FLAGS])
        goal, met = f"<= {MOST_HELP_SECONDS} s", min(spent) <= MOST_HELP_SECONDS
        yield replace(row, goal=goal, met=met)
    over = min(measured[JOB]) - min(measured[NOTHING])
    row = compared(JOB, LIBRARIES, "CPU s", measured[JOB], measured[LIBRARIES])
    goal, met = f"<= {MOST_JOB_SECONDS} s over {NOTHING}", over <= MOST_JOB_SECONDS
    yield replace(row, goal=goal, met=met, note=f"{over / MOST_JOB_SECONDS:.0%} of it")
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
    """Return the command of a shard that has nothing to cut: what it spends is start-up alone."""
    (folder / "videos").mkdir(exist_ok=True)
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


def torch_in(stage: str) -> bool:
    """Return whether any module that the stage can reach imports torch, early or late."""
    modules = reachable(f"pipeline.stages.{stage}")
    return any(name.partition(".")[0] == "torch" for each in modules for name in imported(each))


if __name__ == "__main__":
    report(rows)
