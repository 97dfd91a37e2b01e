"""A checkpoint on a full disk: the message names it, and the old one stays."""

import os
import subprocess
import sys
from pathlib import Path

SMALL_LIMIT = """
import resource, signal, sys
from pathlib import Path
import torch
from pipeline.models.checkpoints import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    save(Path(sys.argv[1]), {"weights": torch.zeros(100_000)})
except OSError as error:
    print(error)
"""


def test_no_room_names_the_output_and_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "model.pt"
    target.write_text("old")
    command = [sys.executable, "-c", SMALL_LIMIT, str(target)]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    expected = "disk is full: no space left; make room and run again"
    assert done.stdout == f"[Errno 28] {expected}: '{target}'\n"
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.pt"]
