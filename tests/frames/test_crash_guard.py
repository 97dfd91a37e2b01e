"""A clip that kills, fills or stops the process becomes a row; the others are done."""

import os
import resource
import signal
import time

import pytest

from pipeline.frames import crash_guard
from pipeline.frames.crash_guard import Guard, guarded


def rows(guard, harm):
    """{clip: reason} of three clips; `harm` is done by the second."""
    found = {}
    for clip in ("a", "b", "c"):
        found[clip] = guard.begin(clip)
        if clip == "b" and not found[clip]:
            harm()
    return found


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGFPE"])
def test_crash_becomes_a_reason(name):
    found = guarded(lambda guard: rows(guard, lambda: os.kill(os.getpid(), signal.Signals[name])))

    assert found == {"a": "", "b": f"it crashed the decoder ({name})", "c": ""}


def test_clip_without_end_becomes_a_reason():
    found = guarded(lambda guard: rows(guard, lambda: time.sleep(60)), most_seconds=0.3)

    assert found == {"a": "", "b": "it took more than 0.3 s", "c": ""}


def test_memory_is_bounded(monkeypatch):
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    monkeypatch.setattr(crash_guard, "MOST_BYTES", max(2 << 30, 2 * used))

    found = guarded(lambda guard: rows(guard, lambda: bytes(16 << 30)))

    assert found["b"].startswith("it needs more than ")
    assert (found["a"], found["c"]) == ("", "")


def test_mistakes_are_told_as_they_are():
    def refuse():
        raise ValueError("clips.csv: found nothing")

    with pytest.raises(ValueError, match=r"clips\.csv: found nothing"):
        guarded(lambda guard: rows(guard, refuse))


def test_killed_child_is_no_fault_of_the_clip():
    with pytest.raises(RuntimeError, match="ended with -9"):
        guarded(lambda guard: rows(guard, lambda: os.kill(os.getpid(), signal.SIGKILL)))


def test_without_a_guard_nothing_is_left_out():
    assert rows(Guard(), lambda: None) == {"a": "", "b": "", "c": ""}
