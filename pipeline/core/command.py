"""What every stage's command line shares: logging, and one line for a user's mistake."""

import argparse
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.core.secrets import HideSecrets

logger = logging.getLogger(__name__)

# Exit code of a job that was stopped and kept its state: run the same command again. It is the
# "temporary failure" of sysexits.h, which schedulers can be told to requeue on.
REQUEUE = os.EX_TEMPFAIL
USER_MISTAKE = 2
MOST_WARNINGS = 10  # of one job on the terminal; its log has all
TERMINAL = "terminal"  # name of the handler that shows warnings there
WATCH = "parent watch"  # name of a thread that holds no lock
# In the environment: the Snakemake that a job belongs to, and the process that started the job.
SNAKEMAKE, STARTED_BY = "AVA_PARENT", "AVA_STARTED_BY"
_KILL_WITH_PARENT = 1  # Linux: PR_SET_PDEATHSIG


class MistakesError(ValueError):
    """Several of the user's mistakes, each with a line of its own."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)


def run(main: Callable[[], None]) -> None:
    """Run a stage; a ValueError or OSError becomes one line on stderr and exit code 2.

    Anything else is a mistake of ours and keeps its traceback. `AVA_DEBUG=1` keeps all of them.
    """
    log_lines()
    end_with_parents()
    # Snakemake ends jobs with SIGTERM: let `finally` and context managers clean up.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        main()
    except (ValueError, OSError) as error:
        if os.environ.get("AVA_DEBUG"):
            raise
        lines = error.lines if isinstance(error, MistakesError) else [str(error)]
        for line in lines:
            logger.error("%s: %s", _name(), one_line(line))
        sys.exit(USER_MISTAKE)


def _name() -> str:
    """Return what the command is called: its module, or the folder that `-m` named."""
    path = Path(sys.argv[0])
    return path.parent.name if path.stem == "__main__" else path.stem


def one_line(text: str) -> str:
    """Return a text with line breaks and other control characters as escapes."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def log_lines() -> None:
    """Let this process log to stderr, a line for each message."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(HideSecrets())
    if "AVA_TERMINAL" in os.environ:
        _warn_on(os.environ["AVA_TERMINAL"])
    for chatty in ("httpx", "alembic", "mlflow", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _warn_on(descriptor: str) -> None:
    """Show the project's own warnings on the terminal too, where stderr goes into a log file."""
    project = logging.getLogger("pipeline")
    if any(each.name == TERMINAL for each in project.handlers):
        return  # a forked process has it from its parent
    try:
        terminal = os.fdopen(int(descriptor), "w", encoding="utf-8", errors="backslashreplace")
        os.set_inheritable(terminal.fileno(), False)
    except (OSError, ValueError):  # closed by a scheduler in between: the log has them
        return
    handler = logging.StreamHandler(terminal)
    handler.name = TERMINAL
    handler.setLevel(logging.WARNING)
    handler.addFilter(HideSecrets())
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    left = iter(range(MOST_WARNINGS))  # a shard may have thousands of videos with something to say
    handler.addFilter(lambda record: next(left, None) is not None)
    project.addHandler(handler)


def end_with_parents() -> None:
    """Let this process end when one of those that the environment names has ended.

    What an orphan writes is of no use, and the next run may already be writing the same.
    """
    named = [os.environ.get(name, "") for name in (SNAKEMAKE, STARTED_BY)]
    snakemake, direct = (int(number) if number.isdecimal() else None for number in named)
    if direct == os.getpid():  # the shell has become this process
        direct = snakemake
    if snakemake is None and direct is None:
        return
    if direct is not None and sys.platform == "linux":
        end_with_direct_parent()
    watch = threading.Thread(target=_end_with, args=(direct, snakemake), daemon=True, name=WATCH)
    watch.start()
    name_as_parent()


def name_as_parent() -> None:
    """Let the stages that this process starts end with it."""
    os.environ[STARTED_BY] = str(os.getpid())


def end_with_direct_parent() -> None:
    """Have Linux kill this process in the moment in which the one that started it ends."""
    ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, signal.SIGKILL)


def _end_with(direct: int | None, snakemake: int | None) -> None:
    """End this process once `direct` is no longer its parent, or `snakemake` has ended."""
    while _is_alive(snakemake) and direct in (None, os.getppid()):
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)


def _is_alive(process: int | None) -> bool:
    try:
        os.kill(process or os.getpid(), 0)
    except (ProcessLookupError, PermissionError):  # gone, and its number may be another user's
        return False
    return True


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the two flags that every stage takes.

    Args:
        description: the module's docstring; its first line is shown by `--help`.
    """
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--params", type=Path, default=Path("params.yaml"), help="the settings")
    made.add_argument("--summary", type=Path, help="where to write this job's counts, as JSON")
    return made


def add_lock_flags(flags: argparse.ArgumentParser) -> None:
    """Add the flags of every stage that downloads."""
    flags.add_argument("--lock", type=Path, help="table of the hashes of what was downloaded")
    flags.add_argument(
        "--accept-changed", action="store_true", help="take files that differ, and lock them"
    )
