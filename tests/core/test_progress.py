"""Progress where there is no terminal: a last line with count, rate, and what was asked for."""

import logging

import pytest

from pipeline.core import progress
from pipeline.core.progress import Progress, track


def test_everything_comes_through_and_the_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    assert list(track(["a", "b", "c"], "cut clips", unit="clip")) == ["a", "b", "c"]

    assert "cut clips: 3 clip of 3 clip" in caplog.messages[-1]


def test_bytes_are_shown_in_readable_sizes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    with Progress(2_500_000, "download", unit="B") as bar:
        bar.advance(1_250_000)

    assert "download: 1.25 MB of 2.5 MB" in caplog.messages[-1]


def test_lines_come_now_and_then_with_the_time_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    seconds = iter([0.0, 5.0, 25.0, 25.0, 26.0, 26.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))

    with Progress(100, "train", unit="step") as bar:
        bar.advance(10)  # after 5 s: too early to speak
        bar.advance(40)  # after 25 s: half done, 25 s left
        assert len(caplog.messages) == 1
        assert "25 s left" in caplog.messages[0]
        bar.advance(0)


def test_amount_that_is_learnt_on_the_way_counts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    with Progress(None, "download", unit="B") as bar:
        bar.advance(1_000_000)
        bar.expect(4_000_000)

    assert "download: 1 MB of 4 MB" in caplog.messages[-1]
    assert "s left" in caplog.messages[-1]
