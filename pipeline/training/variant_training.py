"""Train the detector of one variant and write its files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from pipeline.core.atomic import written
from pipeline.core.summaries import write_summary
from pipeline.core.tracking import TrackedRun
from pipeline.evaluation.metrics import main_split
from pipeline.models.checkpoints import load_start, read_weights, write_weights
from pipeline.models.losses import LossSum
from pipeline.models.networks import ActionDetector
from pipeline.models.roi_head import NUM_OUTPUTS
from pipeline.sampling import Sampling
from pipeline.settings.params import Params
from pipeline.settings.sections import Train
from pipeline.training.batches import Batch, FrameSource
from pipeline.training.hardware import in_precision, prepared_model
from pipeline.training.keyframe_dataset import TrainingKeyframes
from pipeline.training.keyframe_index import read_index
from pipeline.training.loop import TRAIN_SPLIT, Task, train
from pipeline.training.processes import Processes
from pipeline.training.state import SavedState, digest
from pipeline.training.variant_run import RUN_KEY, variant_run
from pipeline.training.variants import detector_of, num_outputs_of, validate, validation_keyframes
from pipeline.video.frame_store import FrameStore

HISTORY_COLUMNS = ["epoch", "split", "loss", "learning_rate", "mAP"]


def train_variant(
    processes: Processes,
    *,
    params: Params,
    variant: str,
    raw: Path,
    index: Path,
    frames: Path,
    pretrained: Path,
    model: Path,
    best: Path,
    history: Path,
    state: Path | None,
    summary: Path | None,
    code: str,
) -> None:
    """Train a detector as one of several processes; the first one writes the results.

    Args:
        processes: that share the training.
        params: the settings.
        variant: a name in `variants`.
        raw: folder of the annotation files.
        index, frames: folders of the keyframe indexes and of the stored frames.
        pretrained: weights to start from.
        model, best: weights of the last and of the best epoch, to write.
        history: table of epochs, to write.
        state, summary: where an interrupted training is saved, and where the counts go.
        code: digest of the source code that decides the result.
    """
    settings, values = params.train(variant), params.train_values(variant)
    outputs, is_first = num_outputs_of(params, raw), processes.is_first
    detector = _prepared(settings, pretrained, outputs, processes.local_rank)
    files = [pretrained, index / "train.parquet", *sorted(frames.glob("*.parquet"))]
    fingerprint = digest({**values, "outputs": outputs, "code": code}, files)
    saved = SavedState(state, fingerprint, settings.save_every_minutes, is_first)
    tracked = TrackedRun(None, "")
    if is_first:  # it alone has a run
        tracked = variant_run(params.dataset, variant, fingerprint)
    tracked.params(values)
    task = variant_task(params, variant, raw, index, FrameStore(frames), tracked, processes)
    trained = train(task, detector, settings, saved, processes)
    if not is_first:
        return
    _write_history(history, trained.history)
    meta = {"variant": variant, "train": values, RUN_KEY: fingerprint}
    write_weights(best, trained.best_weights, meta)
    write_weights(model, detector.state_dict(), meta)
    saved.discard()
    write_summary(summary, _counts(task, detector, settings, trained.history))


def _prepared(settings: Train, pretrained: Path, outputs: int, local_rank: int) -> ActionDetector:
    def started() -> ActionDetector:
        detector = detector_of(settings, outputs)
        load_start(detector, read_weights(pretrained), str(pretrained))
        return detector

    return prepared_model(started, settings, local_rank)


def _write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with written(path) as temporary:
        table = pd.DataFrame(rows, columns=HISTORY_COLUMNS)
        table.to_csv(temporary, index=False, lineterminator="\n")


def _counts(
    task: Task, detector: ActionDetector, settings: Train, history: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return what the summary says of a training."""
    counts = {
        "keyframes": len(task.examples),
        "epochs": settings.epochs,
        "parameters": sum(value.numel() for value in detector.parameters()),
    }
    losses = [row["loss"] for row in history if row["split"] == TRAIN_SPLIT]
    return counts | ({"loss": losses[-1]} if losses else {})


def variant_task(
    params: Params,
    variant: str,
    raw: Path,
    index: Path,
    frames: FrameSource,
    tracked: TrackedRun,
    processes: Processes,
) -> Task:
    """Return the examples, the loss and the validation of a variant.

    Args:
        params: the settings.
        variant: a name in `variants`.
        raw: folder of the annotation files.
        index: folder of the keyframe indexes.
        frames: where the frames are stored.
        tracked: run that gets the figures of each epoch.
        processes: that share the training.
    """
    settings = params.train(variant)
    outputs = num_outputs_of(params, raw)
    examples = training_keyframes(index / "train.parquet", frames, settings, outputs)
    validation = validation_keyframes(params, settings, index, frames)

    def loss(model: nn.Module, batch: Batch) -> LossSum:
        with in_precision(settings.precision, batch.clips.device):
            logits = model(batch.model_input(settings.augmentations), batch.boxes)
        return settings.loss(logits.float(), batch.labels)

    def describe(position: int) -> str:
        keyframes = examples.index
        return f"{keyframes.video_id[position]},{keyframes.timestamp[position]:g}"

    def validated(model: nn.Module, epoch: int) -> Mapping[str, float]:
        assert isinstance(model, ActionDetector)
        if settings.validate_every == 0 or epoch % settings.validate_every:
            return {}
        scores = validate(model, validation, params, raw, settings.workers, processes)
        first = main_split(scores)
        return {first: scores.pop(first), **scores}

    def on_epoch(epoch: int, values: Mapping[str, float]) -> None:
        tracked.metrics(values, step=epoch)

    return Task(f"train {variant}", examples, loss, describe, validated, on_epoch)


def training_keyframes(
    path: Path, frames: FrameSource, settings: Train, outputs: int = NUM_OUTPUTS
) -> TrainingKeyframes:
    """Return the keyframes with labelled persons of an index file.

    Args:
        path: of the index file.
        frames: where the frames are stored.
        settings: of the variant.
        outputs: of the classifier.

    Raises:
        ValueError: there are none.
    """
    keyframes = read_index(path, labelled_only=True)
    if not len(keyframes):
        raise ValueError(f"{path}: found no keyframe with people, expected some to train on")
    return TrainingKeyframes(
        keyframes,
        frames,
        Sampling.parse(settings.sampling),
        settings.seed,
        settings.augmentations,
        settings.max_rois,
        settings.min_proposal_score,
        outputs,
    )
