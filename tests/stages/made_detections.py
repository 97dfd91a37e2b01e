"""A stand-in for the detector of persons, and frames that it can tell apart."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.people import person_detector
from pipeline.video.frame_store import FrameStoreWriter
from pipeline.video.jpeg import encode_rgb


def stand_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int | None = None, weights: str = ""
) -> list[int]:
    """A detector that finds one person everywhere; the list gets the number of each still it saw.

    Args:
        dies_at: after how many batches it is interrupted.
        weights: contents of its checkpoint.
    """
    seen: list[int] = []
    file = folder / "weights.pth"
    file.write_text(weights)

    def detect(
        detector: object, stills: list[npt.NDArray[np.uint8]], *_: object
    ) -> list[npt.NDArray[np.float64]]:
        if dies_at is not None and len(seen) >= dies_at:
            raise KeyboardInterrupt
        seen.extend(round(float(still.mean()) / 0.8) for still in stills)
        score = 0.5 + float(stills[0].mean()) / 1000
        return [np.array([[0.25, 0.25, 0.75, 0.75, score]])] * len(stills)

    monkeypatch.setattr(person_detector, "detect", detect)
    monkeypatch.setattr(person_detector, "load_detector", lambda *_: None)
    monkeypatch.setattr(person_detector, "fetch_weights", lambda *_: file)
    return seen


def write_frames(folder: Path, clip: str, count: int, grey: int = 0, shard: str = "00") -> None:
    """Store frames whose grey level is 0.8 times their number, and `grey`."""
    folder.mkdir(exist_ok=True)
    with FrameStoreWriter(folder / f"{shard}.tar", folder / f"{shard}.parquet") as store:
        for number in range(1, count + 1):
            still = np.full((8, 8, 3), round(number * 0.8) + grey, np.uint8)
            store.add(clip, number, encode_rgb(still, quality=85), 8, 8)
