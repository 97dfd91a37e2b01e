"""A clip that kills, fills or stops the process becomes a row; the others are done."""

import builtins
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.video import crash_guard
from pipeline.video.crash_guard import Guard, guarded


def rows(harm: str, guard: Guard) -> dict[str, str]:
    """{clip: reason} of three clips; `harm` is done by the second."""
    found = {}
    for clip in ("a", "b", "c"):
        found[clip] = guard.begin(clip)
        if clip == "b" and not found[clip]:
            do(harm)
    return found


def do(harm: str) -> None:
    if harm.startswith("SIG"):
        os.kill(os.getpid(), signal.Signals[harm])
    elif harm == "sleep":
        time.sleep(60)
    elif harm == "fill":
        bytes(16 << 30)
    elif harm == "refuse":
        raise ValueError("clips.csv: found nothing")


# In a process without threads the child is forked; a watched one has a thread that does not count.
SCRIPT = """
import json, sys, threading, time
from pipeline.core.command import WATCH
from pipeline.video import crash_guard
from tests.video.test_crash_guard import rows
threading.Thread(target=time.sleep, args=(60,), daemon=True, name=WATCH).start()
assert crash_guard._is_alone()
try:
    print(json.dumps(crash_guard.guarded(rows, sys.argv[1], **json.loads(sys.argv[2]))))
except (ValueError, RuntimeError) as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


def forked_rows(harm: str, **limits: float) -> dict[str, str]:
    command = [sys.executable, "-c", SCRIPT, harm, json.dumps(limits)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if isinstance(found, list):
        raise getattr(builtins, found[0])(found[1])
    assert isinstance(found, dict)
    return found


def new_rows(harm: str, **limits: Any) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crash_guard, "_is_alone", lambda: False)
        return guarded(rows, harm, **limits)


both_ways = pytest.mark.parametrize("guarded_rows", [forked_rows, new_rows])


@both_ways
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGFPE"])
def test_crash_becomes_a_reason(guarded_rows: Callable[..., Any], name: str) -> None:
    found = guarded_rows(name)

    assert found == {"a": "", "b": f"it crashed the decoder ({name})", "c": ""}


@both_ways
def test_clip_without_end_becomes_a_reason(guarded_rows: Callable[..., Any]) -> None:
    found = guarded_rows("sleep", most_seconds=0.3)

    assert found == {"a": "", "b": "it took more than 0.3 s", "c": ""}


@both_ways
def test_memory_is_bounded(guarded_rows: Callable[..., Any]) -> None:
    found = guarded_rows("fill", most_bytes=2 << 30)

    assert found == {"a": "", "b": "it needs more than 2 GB of memory", "c": ""}


@both_ways
def test_mistakes_are_told_as_they_are(guarded_rows: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"clips\.csv: found nothing"):
        guarded_rows("refuse")


@both_ways
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_ended_child_is_no_fault_of_the_clip(guarded_rows: Callable[..., Any], name: str) -> None:
    with pytest.raises(RuntimeError, match=f"ended with -{signal.Signals[name].value}"):
        guarded_rows(name)


def test_beside_other_threads_nothing_is_forked() -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert not crash_guard._is_alone()
    finally:
        done.set()
        other.join()


def test_without_a_guard_nothing_is_left_out() -> None:
    assert rows("nothing", Guard()) == {"a": "", "b": "", "c": ""}
