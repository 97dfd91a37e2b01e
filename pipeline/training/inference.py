"""Run a detector over a split's keyframes and collect what it finds, as AVA wants it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from pipeline.core.progress import track
from pipeline.models.detector import ActionDetector
from pipeline.models.fast_conv import for_inference
from pipeline.settings.sections import Precision
from pipeline.training.hardware import in_precision, takes_bfloat16
from pipeline.training.keyframe_dataset import EvaluationKeyframes
from pipeline.training.prefetch import prepared
from pipeline.training.processes import Processes

BOX = ["x1", "y1", "x2", "y2"]
Found = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def detect(
    model: ActionDetector,
    keyframes: EvaluationKeyframes,
    batch_size: int,
    min_score: float,
    what: str,
    workers: int = 0,
    precision: Precision = "float32",
    processes: Processes = Processes(),  # noqa: B008 frozen
) -> pd.DataFrame:
    """Detections of all keyframes, sorted by keyframe, box and action.

    Batches hold stills of one size, so a result does not depend on its neighbours in the batch.

    Args:
        min_score: actions at or below are left out.
        what: shown with the progress.
        processes: share the batches; the first one gets all rows, the others none.

    Returns: video_id, timestamp, x1, y1, x2, y2 (fractions of the still), action_id, score.
    """
    device = next(model.parameters()).device
    network = for_inference(model, takes_bfloat16(precision, device))
    batches = keyframes.batches(batch_size)[processes.rank :: processes.size]
    with in_precision(precision, device):
        rows = list(_rows(network, keyframes, batches, min_score, what, workers, device))
    found = [row for part in processes.gather(rows) for row in part]
    row, box, action, score = (
        np.concatenate([part[column] for part in found]) if found else np.zeros(0, np.int64)
        for column in range(4)
    )
    order = np.lexsort((action, box, row))
    row, box, action, score = row[order], box[order], action[order], score[order]
    index = keyframes.index
    corners = np.zeros((len(row), 4))
    for start, stop in _runs(row):
        corners[start:stop] = keyframes.proposals(int(row[start]))[box[start:stop]]
    return pd.DataFrame(
        {
            "video_id": np.array(index.video_id, object)[row],
            "timestamp": index.timestamp[row],
            **{name: corners[:, side] for side, name in enumerate(BOX)},
            "action_id": action.astype(np.int64),
            "score": score.astype(np.float64),
        }
    ).astype({"video_id": "str"})


def _rows(
    model: ActionDetector,
    keyframes: EvaluationKeyframes,
    batches: list[list[int]],
    min_score: float,
    what: str,
    workers: int,
    device: torch.device,
) -> Iterator[Found]:
    """Keyframe, box within the keyframe, action and score of each detection, batch by batch."""
    stream = prepared(keyframes, batches, workers, device)
    for batch in track(stream, what, unit="batch", total=len(batches)):
        with torch.inference_mode():
            logits = model(batch.shown(), batch.boxes)
        scores = logits.float().sigmoid().cpu().numpy()
        place = batch.boxes[:, 0].long().cpu().numpy()
        first = np.searchsorted(place, place)  # where the box's keyframe starts in the batch
        scores[:, 0] = 0  # no action has id 0
        box, action = np.nonzero(scores > min_score)
        rows = np.array(batch.positions)[place[box]]
        yield rows, box - first[box], action, scores[box, action]


def _runs(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of equal values."""
    if len(values):
        edges = (np.flatnonzero(np.diff(values)) + 1).tolist()
        yield from zip([0, *edges], [*edges, len(values)], strict=True)
