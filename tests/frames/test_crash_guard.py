"""A clip that kills, fills or stops the process becomes a row; the others are done."""

import os
import signal
import time

import pytest

from pipeline.frames.crash_guard import Guard, guarded


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


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGFPE"])
def test_crash_becomes_a_reason(name: str) -> None:
    found = guarded(rows, name)

    assert found == {"a": "", "b": f"it crashed the decoder ({name})", "c": ""}


def test_clip_without_end_becomes_a_reason() -> None:
    found = guarded(rows, "sleep", most_seconds=0.3)

    assert found == {"a": "", "b": "it took more than 0.3 s", "c": ""}


def test_memory_is_bounded() -> None:
    found = guarded(rows, "fill", most_bytes=2 << 30)

    assert found == {"a": "", "b": "it needs more than 2 GB of memory", "c": ""}


def test_mistakes_are_told_as_they_are() -> None:
    with pytest.raises(ValueError, match=r"clips\.csv: found nothing"):
        guarded(rows, "refuse")


def test_killed_child_is_no_fault_of_the_clip() -> None:
    with pytest.raises(RuntimeError, match="ended with -9"):
        guarded(rows, "SIGKILL")


def test_without_a_guard_nothing_is_left_out() -> None:
    assert rows("nothing", Guard()) == {"a": "", "b": "", "c": ""}
