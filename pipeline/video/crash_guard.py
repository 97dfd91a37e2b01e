"""Keep a stage alive when a file crashes the decoder, fills the memory or never ends.

The work runs in a child process that announces each clip. When it dies of a clip, all is done again
without that clip: slow, but crashes are rare and the outcome is that of a run that had known.
"""

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from pipeline.core.command import WATCH, end_with_direct_parent, log_lines

MOST_BYTES = 4 << 30  # of memory for the child; frames of 8K with all they lean on fit
MOST_SECONDS = 3600.0  # for one clip

_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT}

A = TypeVar("A")
T = TypeVar("T")


class Guard:
    """What the work knows of its guard; made without arguments it guards nothing."""

    def __init__(
        self, crashed: Mapping[str, str] | None = None, messages: "Connection | None" = None
    ) -> None:
        self._crashed, self._messages = crashed or {}, messages

    def begin(self, clip: str) -> str:
        """Announce the next clip; returns why it has to be left out, else an empty text."""
        if self._messages is not None:
            self._messages.send(("clip", clip))
        return self._crashed.get(clip, "")


def guarded(
    work: Callable[[A, Guard], T],
    task: A,
    most_seconds: float = MOST_SECONDS,
    most_bytes: int = MOST_BYTES,
) -> T:
    """Run `work` on `task` in a child process until no clip crashes it.

    The child is forked where this process is still by itself, which saves two starts of Python; a
    fork beside threads of some library may never end, so there it is started anew.

    Args:
        work: a function of a module; calls `begin` before each clip. What it is given and what it
            returns can be pickled.

    Raises: what `work` raises; RuntimeError if the child dies otherwise than of a clip.
    """
    crashed: dict[str, str] = {}
    while True:
        job = (work, task, crashed, os.getpid(), most_bytes)
        clip, kind, result = _attempt(job, most_seconds)
        if kind == "done":
            return result  # type: ignore[no-any-return]
        if kind == "failed" and not (isinstance(result, MemoryError) and clip):
            raise result
        why = f"it needs more than {most_bytes >> 30} GB of memory" if kind == "failed" else result
        if clip in crashed:
            raise RuntimeError(f"clip {clip}: {why}, although it was left out")
        crashed[clip] = why


def _attempt(job: tuple[Any, ...], most_seconds: float) -> tuple[str, str, Any]:
    """Clip at work when the child ended; "done", "failed" or "crashed"; result, error or reason."""
    messages, theirs = Pipe(duplex=False)
    # mypy knows no common type of the contexts.
    context: Any = get_context("fork" if _is_alone() else "spawn")
    child = context.Process(target=_run, args=(theirs, *job), daemon=True)
    child.start()
    theirs.close()
    clip = ""
    try:
        while messages.poll(most_seconds if clip else MOST_SECONDS):
            kind, content = messages.recv()
            if kind != "clip":
                return clip, kind, content
            clip = content
        return clip, "crashed", f"it took more than {most_seconds:g} s"
    except EOFError:
        child.join()
        number = -(child.exitcode or 0)
        if number not in _CRASHES or not clip:
            raise RuntimeError(f"the child process ended with {child.exitcode}") from None
        return clip, "crashed", f"it crashed the decoder ({signal.Signals(number).name})"
    finally:
        if clip and child.is_alive():
            child.join(timeout=1)
        child.kill()
        child.join()
        messages.close()


def _is_alone() -> bool:
    """Whether no thread but those that hold no lock is in this process, of a library or our own."""
    tasks = Path("/proc/self/task")
    ours = [thread for thread in threading.enumerate() if thread.name != WATCH]
    return (
        tasks.exists() and len(ours) == 1 and len(list(tasks.iterdir())) == threading.active_count()
    )


def _run(
    messages: Connection,
    work: Callable[[A, Guard], T],
    task: A,
    crashed: Mapping[str, str],
    parent: int,
    most_bytes: int,
) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        end_with_direct_parent()
    if os.getppid() != parent:
        return  # it died in between
    log_lines()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        messages.send(("done", work(task, Guard(crashed, messages))))
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        messages.send(("failed", error))
