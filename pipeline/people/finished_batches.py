"""Keep the results of a long detection batch by batch: what is done is not detected again.

A text file: on the first line what the results depend on, then one JSON line per finished batch,
some 0.4 kB a keyframe. It outlives the job: a later one with more shards detects only what is new.
A batch is known by its images, so one whose images changed is detected again. Batches are kept
whole because a detector pads the images of a batch to one size: another grouping would give
other last digits.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic import written
from pipeline.core.disk_space import disk_named

logger = logging.getLogger(__name__)

Boxes = npt.NDArray[np.float64]  # [N, 5]: x1, y1, x2, y2 as fractions, score


class FinishedBatches:
    """The batches that are done, in a file beside the output.

    Args:
        path: the file; results of another fingerprint, or after a broken line, are dropped.
        fingerprint: of all that the results depend on but the images.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path, self._fingerprint = path, fingerprint
        self._known: dict[str, list[Boxes]] = {}
        whole = self._load()
        with disk_named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if whole:
                with path.open("rb+") as file:
                    file.truncate(whole)  # a kill may leave half a line
            else:
                path.write_bytes(_line(fingerprint))

    def __len__(self) -> int:
        return len(self._known)

    def get(self, batch: str) -> list[Boxes] | None:
        """Return the boxes of each image of a batch, or None while it is not done."""
        return self._known.get(batch)

    def add(self, batch: str, boxes: Sequence[Boxes]) -> None:
        """Keep a batch; it survives the process from here on."""
        self._known[batch] = list(boxes)
        with disk_named(self._path), self._path.open("ab") as file:
            file.write(self._row(batch))

    def keep(self, batches: Iterable[str]) -> None:
        """Forget all batches but these, in the file as well."""
        wanted = dict.fromkeys(batches)
        if wanted.keys() >= self._known.keys():
            return
        self._known = {batch: boxes for batch, boxes in self._known.items() if batch in wanted}
        with written(self._path) as temporary, temporary.open("wb") as file:
            file.write(_line(self._fingerprint))
            file.writelines(self._row(batch) for batch in self._known)

    def _row(self, batch: str) -> bytes:
        boxes = [found.tolist() for found in self._known[batch]]
        return _line({"batch": batch, "boxes": boxes})

    def _load(self) -> int:
        """Read what is there; returns the bytes that are whole and of this fingerprint."""
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return 0
        whole = 0
        for number, line in enumerate(lines):
            value = _parsed(line)
            if number == 0 and value != self._fingerprint:
                return 0
            if number > 0 and not self._take(value):
                if line.endswith(b"\n"):  # else a kill has left half of it
                    logger.warning(
                        "%s: line %d is no finished batch; from there on all is detected again",
                        self._path,
                        number + 1,
                    )
                break
            whole += len(line)
        return whole

    def _take(self, value: object) -> bool:
        """Keep the batch of a line; return whether it was one."""
        if not isinstance(value, dict) or not isinstance(value.get("batch"), str):
            return False
        try:
            boxes = [np.array(rows, np.float64).reshape(-1, 5) for rows in value["boxes"]]
        except (KeyError, TypeError, ValueError):
            return False
        self._known[value["batch"]] = boxes
        return True


def batch_name(images: Sequence[bytes]) -> str:
    """Return what a batch is known by: a digest of its encoded images, in order."""
    digests = [hashlib.sha256(image).digest() for image in images]
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
