"""The saved state of a training: stop at any step, resume with the same bits.

Randomness is a function of (seed, epoch, step), so a state needs no random generators: weights,
optimizer and position are all there is. A state is used only when its checksum fits: half of one,
or one with a single bit changed, would end in other weights.
"""

import hashlib
import json
import logging
import math
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from pipeline.core.command import REQUEUE
from pipeline.models.checkpoints import is_sealed, save

logger = logging.getLogger(__name__)


@dataclass
class Position:
    """How far a training has come.

    Attributes:
        epoch: of the next step, counted from 0.
        step: the next step of the epoch, counted from 0.
        losses: of the epoch's steps so far.
        history: rows of history.csv of the epochs before.
        best_score: highest mAP of the epochs before, minus infinity if none was validated.
        best_weights: the weights that reached it first.
    """

    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    best_score: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)


def digest(settings: Mapping[str, Any], files: Iterable[Path]) -> str:
    """Return a hash of everything that decides a training, to which its state belongs.

    Args:
        settings: values, also that of the source code.
        files: whose content counts.
    """
    total = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in files:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


class SavedState:
    """The file in which a training is saved every few minutes and when it is asked to stop.

    Args:
        path: of the file; None: nothing is saved.
        belongs_to: `digest` of the training; a file of another one is ignored.
        every_minutes: time between two saves.
        writes: whether this process is the one that writes the file; all of them read it.

    Attributes:
        stop_requested: a signal came; the training stops after the current step.
    """

    def __init__(
        self, path: Path | None, belongs_to: str, every_minutes: float, writes: bool = True
    ) -> None:
        self._path, self._belongs_to, self._every_minutes = path, belongs_to, every_minutes
        self._writes, self._saved = writes, time.monotonic()
        self._before: dict[int, Any] = {}
        self._between_epochs = False
        self.stop_requested = False

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Position:
        """Restore an interrupted training; return the beginning if there is nothing to restore."""
        if self._path is None or not self._path.is_file():
            return Position()
        if not is_sealed(self._path):
            if self._writes:  # one warning for all processes
                logger.warning(
                    "%s: found no checksum that fits; starting from the beginning", self._path
                )
            return Position()
        saved = torch.load(self._path, map_location="cpu", weights_only=True)
        if saved["belongs_to"] != self._belongs_to:
            logger.info("%s belongs to another training; starting from the beginning", self._path)
            return Position()
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        position = Position(**saved["position"])
        logger.info("going on at epoch %d, step %d", position.epoch + 1, position.step + 1)
        return position

    def after_step(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        position: Position,
        stop: bool,
        is_last: bool = False,
    ) -> None:
        """Save if it is time; save and exit if any process was asked to stop.

        Args:
            model: after the step.
            optimizer: after the step.
            position: of the next step.
            stop: whether any process was asked to stop.
            is_last: whether the epoch ends; validation, which follows, may be long, so the state is
                saved before it.
        """
        late = time.monotonic() - self._saved > self._every_minutes * 60
        if self._path is not None and self._writes and (late or stop or is_last):
            state = {
                "belongs_to": self._belongs_to,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "position": vars(position),
            }
            save(self._path, state, sealed=True)
            self._saved = time.monotonic()
        if stop:
            self._stop()

    @contextmanager
    def between_epochs(self) -> Iterator[None]:
        """Let a signal stop the training at once: the state on disk is complete here."""
        self._between_epochs = True
        if self.stop_requested:
            self._stop()
        yield
        self._between_epochs = False

    def discard(self) -> None:
        """Delete the file; the training is over and its model written."""
        if self._path is not None and self._writes:
            self._path.unlink(missing_ok=True)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # A step that has begun cannot be saved: wait for its end.
        self.stop_requested = True
        if self._between_epochs:
            self._stop()

    def _stop(self) -> None:
        logger.info("stopped by a signal; the same command goes on from here")
        sys.exit(REQUEUE)
