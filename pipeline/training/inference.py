"""Run a detector over a split's keyframes and return its detections as AVA's tables have them."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from pipeline.core.progress import track
from pipeline.models.fast_conv import for_inference
from pipeline.models.networks import ActionDetector
from pipeline.settings.sections import Precision
from pipeline.training.hardware import in_precision, takes_bfloat16
from pipeline.training.keyframe_dataset import EvaluationKeyframes
from pipeline.training.prefetch import load_batches
from pipeline.training.processes import Processes

BOX = ["x1", "y1", "x2", "y2"]
Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


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
    """Return the detections of all keyframes, sorted by keyframe, box and action.

    Batches hold frames of one size: a result does not depend on its neighbours in the batch.

    Args:
        model: on its device; stays in the mode it is in.
        keyframes: to run on.
        batch_size: keyframes of a batch.
        min_score: actions at or below are left out.
        what: shown with the progress.
        workers: processes that make batches; 0 makes them in this process.
        precision: of the network.
        processes: share the batches; the first one gets all rows, the others none.

    Returns: video_id, timestamp, x1, y1, x2, y2 (fractions of the frame), action_id, score.
    """
    device = next(model.parameters()).device
    network = for_inference(model, takes_bfloat16(precision, device))
    batches = processes.share(keyframes.batches(batch_size))
    with in_precision(precision, device):
        own = list(_detections(network, keyframes, batches, min_score, what, workers, device))
    pieces = [piece for each in processes.gather(own) for piece in each]
    row, box, action, score = (
        np.concatenate([piece[column] for piece in pieces]) if pieces else np.zeros(0, np.int64)
        for column in range(4)
    )
    order = np.lexsort((action, box, row))
    row, box, action, score = (column[order] for column in (row, box, action, score))
    index = keyframes.index
    corners = _corners(keyframes, row, box)
    return pd.DataFrame(
        {
            "video_id": index.video_id.to_numpy(zero_copy_only=False)[row],
            "timestamp": index.timestamp[row],
            **{name: corners[:, side] for side, name in enumerate(BOX)},
            "action_id": action.astype(np.int64),
            "score": score.astype(np.float64),
        }
    ).astype({"video_id": "str"})


def _corners(
    keyframes: EvaluationKeyframes, row: npt.NDArray[np.int64], box: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return [N, 4] the boxes by their keyframe's row and their number in it; rows ascend."""
    corners = np.zeros((len(row), 4))
    for start, stop in _runs(row):
        corners[start:stop] = keyframes.proposals(int(row[start]))[box[start:stop]]
    return corners


def _detections(
    model: ActionDetector,
    keyframes: EvaluationKeyframes,
    batches: Sequence[list[int]],
    min_score: float,
    what: str,
    workers: int,
    device: torch.device,
) -> Iterator[Columns]:
    """Yield keyframe, box within the keyframe, action and score of the detections of each batch."""
    stream = load_batches(keyframes, batches, workers, device)
    for batch in track(stream, what, unit="batch", total=len(batches)):
        with torch.inference_mode():
            logits = model(batch.model_input(), batch.boxes)
        scores = logits.float().sigmoid().cpu().numpy()
        clip = batch.boxes[:, 0].long().cpu().numpy()
        first = np.searchsorted(clip, clip)  # first box of the same keyframe
        scores[:, 0] = 0  # no action has id 0
        box, action = np.nonzero(scores > min_score)
        rows = np.array(batch.positions)[clip[box]]
        yield rows, box - first[box], action, scores[box, action]


def _runs(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of equal values."""
    if len(values):
        edges = (np.flatnonzero(np.diff(values)) + 1).tolist()
        yield from zip([0, *edges], [*edges, len(values)], strict=True)
