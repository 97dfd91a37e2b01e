"""The weights that detectors start from: trained on clip labels, published, or fresh."""

from pathlib import Path

import pandas as pd
import torch
from torch import nn

from pipeline.clips import read_clips
from pipeline.core.summaries import write_summary
from pipeline.core.tracking import tracked_run, version_of
from pipeline.download.data_lock import DataLock, fetch_locked
from pipeline.download.http import RetryPolicy
from pipeline.models.checkpoints import load_backbone, read_weights, write_weights
from pipeline.models.fast_conv import use_fast_convolutions
from pipeline.models.losses import LossSum, class_loss
from pipeline.models.networks import ClipRecognizer
from pipeline.sampling import Sampling
from pipeline.settings.params import Params
from pipeline.settings.sections import Pretrain, Pretrained
from pipeline.training.batches import Batch
from pipeline.training.clip_dataset import LabelledClips, choose_clips
from pipeline.training.hardware import in_precision, prepared_model
from pipeline.training.loop import Task, train
from pipeline.training.processes import Processes
from pipeline.training.state import SavedState, digest
from pipeline.video.frame_store import FrameStore

CLASSIFIER_STRIDE = 2  # a classifier halves its map once more than a detector; the weights fit both


def labelled_clips(
    name: str, source: Pretrained, settings: Pretrain, clips: pd.DataFrame, frames: FrameStore
) -> tuple[LabelledClips, list[str]]:
    """Return the clips to train on and their labels.

    Args:
        name: of the backbone, for messages.
        source: chooses labels and clips.
        settings: of pretraining.
        clips: the clip table.
        frames: where the frames are stored.

    Raises:
        ValueError: no clip has frames.
    """
    assert source.labels is not None
    assert source.clips_per_label is not None
    chosen = choose_clips(clips, source.labels, source.clips_per_label, frames)
    if chosen.empty:
        raise ValueError(f"pretrained.{name}: found no labelled clip with frames, expected some")
    labels = sorted(set(chosen["label"]))
    examples = LabelledClips(
        chosen["clip"].tolist(),
        [labels.index(label) for label in chosen["label"]],
        frames,
        Sampling.parse(settings.sampling),
        settings.seed,
        settings.augmentations,
    )
    return examples, labels


def train_on_labels(
    processes: Processes,
    *,
    params: Params,
    name: str,
    clips: Path,
    frames: Path,
    model: Path,
    state: Path | None,
    summary: Path | None,
    code: str,
) -> None:
    """Train a classifier of labelled clips, whose backbone detectors start from.

    Args:
        processes: that share the training; the first one writes the results.
        params: the settings.
        name: a name in the dataset's `pretrained`.
        clips, frames: the clip table and the folder of the stored frames.
        model: weights to write.
        state: where an interrupted training is saved.
        summary: where to write the counts.
        code: digest of the source code that decides the result.
    """
    source, settings = params.data.pretrained[name], params.pretraining(name)
    examples, labels = labelled_clips(name, source, settings, read_clips(clips), FrameStore(frames))

    def build() -> ClipRecognizer:
        body = use_fast_convolutions(settings.backbone.build(CLASSIFIER_STRIDE))
        return ClipRecognizer(body, len(labels), settings.dropout)

    def loss(model: nn.Module, batch: Batch) -> LossSum:
        with in_precision(settings.precision, batch.clips.device):
            logits = model(batch.model_input(settings.augmentations))
        return class_loss(logits.float(), batch.labels)

    recognizer = prepared_model(build, settings, processes.local_rank)
    values = {"pretrained": source.model_dump(exclude_defaults=True), "code": code}
    values |= params.stage_values("pretrain")
    fingerprint = digest(values, [clips, *sorted(frames.glob("*.parquet"))])
    saved = SavedState(state, fingerprint, settings.save_every_minutes, processes.is_first)
    task = Task(f"pretrain {name}", examples, loss, lambda position: examples.clips[position])
    trained = train(task, recognizer, settings, saved, processes)
    if not processes.is_first:
        return
    meta = {"backbone": str(settings.backbone), "labels": labels, "sampling": settings.sampling}
    write_weights(model, recognizer.state_dict(), meta)
    saved.discard()
    counts = {"clips": float(len(examples)), "labels": float(len(labels))}
    _record(params, name, model, summary, {**counts, "loss": trained.history[-1]["loss"]})


def fetch_checkpoint(source: Pretrained, model: Path, retries: RetryPolicy, lock: DataLock) -> Path:
    """Return the path of the published file; an address is downloaded beside `model`.

    Args:
        source: names the file and its hash.
        model: beside which the file is downloaded.
        retries: how often a download is tried.
        lock: hashes of downloaded files.
    """
    address = str(source.checkpoint)
    if "://" not in address:
        return Path(address)
    target = model.with_name(f".{address.rpartition('/')[2]}")
    fetch_locked(address, target, retries, lock, sha256=source.sha256)
    return target


def use_checkpoint(
    *, params: Params, name: str, model: Path, summary: Path | None, lock: DataLock
) -> None:
    """Check a published checkpoint against the backbone and keep its weights.

    Args:
        params: the settings.
        name: a name in the dataset's `pretrained`.
        model: weights to write.
        summary: where to write the counts.
        lock: hashes of downloaded files.
    """
    source = params.data.pretrained[name]
    retries = RetryPolicy(params.download.timeout_seconds, params.download.attempts)
    path = fetch_checkpoint(source, model, retries, lock)
    weights = read_weights(path)
    network = params.pretraining(name).backbone
    load_backbone(network.build(), weights, str(path))
    write_weights(model, weights, {"backbone": str(network), "source": path.name})
    if path.parent == model.parent and path.name.startswith("."):
        path.unlink()
    _record(params, name, model, summary, {"tensors": float(len(weights))})


def use_fresh_weights(*, params: Params, name: str, model: Path, summary: Path | None) -> None:
    """Write random weights of the backbone, always the same of a seed.

    Args:
        params: the settings.
        name: a name in the dataset's `pretrained`.
        model: weights to write.
        summary: where to write the counts.
    """
    settings = params.pretraining(name)
    torch.manual_seed(settings.seed)
    state = settings.backbone.build().state_dict()
    weights = {f"backbone.{key}": value for key, value in state.items()}
    write_weights(model, weights, {"backbone": str(settings.backbone), "source": "fresh"})
    _record(params, name, model, summary, {"tensors": float(len(weights))})


def _record(
    params: Params, name: str, model: Path, summary: Path | None, counts: dict[str, float]
) -> None:
    """Log the backbone in MLflow and write its summary."""
    run = tracked_run(
        params.dataset, f"pretrain {name}", version_of([model]), {"stage": "pretrain"}
    )
    run.params(params.stage_values("pretrain"))
    run.metrics(counts)
    run.finish()
    write_summary(summary, counts)
