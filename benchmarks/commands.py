"""CPU time and memory of a command with all that it starts."""

import json
import os
import subprocess
import sys
from pathlib import Path

GIB = 2**30
# A process counts the memory of the one that started it as its own: let that be a small one.
STARTER = """
import json, resource, subprocess, sys
with open(sys.argv[2], "w") as log:
    code = subprocess.call(sys.argv[3:], stdout=log, stderr=log)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss], file)
sys.exit(code)
"""


def measure(folder: Path, *command: str, at: Path | None = None) -> tuple[float, float]:
    """CPU seconds of a command with all it starts, and the peak of its largest process in GiB.

    Args:
        folder: for what the command says.
        at: where to run it, if not there.
    """
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    log, used = folder / "last.log", folder / "last.json"
    starter = [sys.executable, "-c", STARTER, str(used), str(log), *command]
    if subprocess.run(starter, cwd=at or folder, env=environment, check=False).returncode:
        raise RuntimeError(f"{command[:4]}: {log.read_text()[-2000:]}")
    cpu, peak_kib = json.loads(used.read_text())
    return cpu, peak_kib * 1024 / GIB
