"""A disk that is really full, and then has room, for commands of a stage runner.

The disk is a file system in a name space of its own, which needs no root but a kernel that allows
it; tests are skipped where it does not.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.stage_runner import StageRunner

SHELL = ("unshare", "--user", "--map-root-user", "--mount")
WITH_ROOM = "100m"


class SmallDisks:
    """Runs commands where small disks can be; `imports` are the modules that they need."""

    def __init__(self, log: Path, imports: Sequence[str]) -> None:
        tried = subprocess.run([*SHELL, "true"], capture_output=True, text=True)
        if tried.returncode:
            pytest.skip(f"no file system of one's own here: {tried.stderr.strip()[:200]}")
        # pytest, as this module is what mounts and copies there.
        self._log, self.runner = log, StageRunner(log, (*imports, "pytest"), SHELL)

    def run_twice(self, command: Sequence[str], folder: Path, size: int, ballast: int) -> None:
        """Run a command that writes to `folder`/disk/out without room, and again with it.

        What it said, its exit code and its output go to first.txt, first.rc and first/ in `folder`,
        then the same to second.

        Args:
            size: kB of the disk at first.
            ballast: kB of them taken.
        """
        disk = folder / "disk"
        disk.mkdir()
        self._do("mount", disk, f"{size}k", str(ballast))
        for name in ("first", "second"):
            code = self.runner.run(command, folder / f"{name}.txt")
            (folder / f"{name}.rc").write_text(f"{code}\n")
            self._do("keep", disk / "out", str(folder / name))
            self._do("grow", disk)
        self._do("unmount", disk)

    def close(self) -> None:
        self.runner.close()

    def _do(self, action: str, *arguments: Path | str) -> None:
        words = [sys.executable, "-m", "tests.small_disk", action, *map(str, arguments)]
        if code := self.runner.run(words):
            said = self._log.read_text()[-200:]
            assert (action, code) == ("mount", 77), said
            pytest.skip(f"no file system of one's own here: {said}")


def _act(action: str, place: str, *arguments: str) -> int:
    """In the runner's name space."""
    if action == "mount":
        size, ballast = arguments
        options = ["-o", f"size={size}", "none", place]
        if subprocess.run(["mount", "-t", "tmpfs", *options]).returncode:
            return 77
        (Path(place) / "ballast").write_bytes(bytes(1000 * int(ballast)))
    elif action == "grow":
        subprocess.run(["mount", "-o", f"remount,size={WITH_ROOM}", place], check=True)
    elif action == "unmount":
        subprocess.run(["umount", place], check=True)
    elif Path(place).exists():  # keep
        shutil.copytree(place, arguments[0])
    return 0


if __name__ == "__main__":
    sys.exit(_act(*sys.argv[1:]))
