"""Weights that detectors start from: trained on clip labels, or published ones, checked."""

import argparse
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from pipeline.clips import read_clips
from pipeline.core.source_code import code_digest
from pipeline.core.summaries import write_summary
from pipeline.core.tracking import tracked_run, version_of
from pipeline.download.data_lock import DataLock, fetch_locked
from pipeline.download.http import RetryPolicy
from pipeline.models.checkpoints import load_backbone, read_weights, write_weights
from pipeline.models.recognizer import ClipRecognizer
from pipeline.models.slow_only import backbone
from pipeline.sampling import Sampling
from pipeline.settings.params import Params
from pipeline.settings.sections import Pretrain, Pretrained
from pipeline.training.batches import Batch
from pipeline.training.clip_dataset import LabelledClips, choose_clips
from pipeline.training.hardware import compile_backbone, in_precision, set_up
from pipeline.training.loop import Task, train
from pipeline.training.losses import LossSum, class_loss
from pipeline.training.processes import Processes
from pipeline.training.state import SavedState, digest
from pipeline.video.frame_store import FrameStore

Counts = dict[str, float]

CLASSIFIER_STRIDE = 2  # a classifier halves its map once more than a detector; the weights fit both


def labelled_clips(
    name: str, source: Pretrained, settings: Pretrain, clips: pd.DataFrame, frames: FrameStore
) -> tuple[LabelledClips, list[str]]:
    """The clips to train on, and the labels they carry; ValueError when no clip has frames."""
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
        Sampling.parse(source.sampling or settings.sampling),
        settings.seed,
        settings.short_side_px,
        settings.crop_px,
    )
    return examples, labels


def train_on_labels(args: argparse.Namespace, params: Params, processes: Processes) -> None:
    """Train a classifier of labelled clips, whose backbone detectors start from."""
    source, settings = params.data.pretrained[args.name], params.pretrain
    clips, frames = read_clips(args.clips), FrameStore(args.frames)
    examples, labels = labelled_clips(args.name, source, settings, clips, frames)
    device = set_up(settings.threads, settings.deterministic, processes.local_rank)
    torch.manual_seed(settings.seed)
    body = backbone(settings.backbone, CLASSIFIER_STRIDE)
    model = ClipRecognizer(body, len(labels), settings.dropout).to(device)
    if settings.compile:
        compile_backbone(model.backbone, device)

    def loss(model: nn.Module, batch: Batch) -> LossSum:
        with in_precision(settings.precision, device):
            logits = model(batch.shown())
        return class_loss(logits.float(), batch.labels)

    task = Task(
        f"pretrain {args.name}",
        examples,
        len(examples),
        loss,
        lambda position: examples.clips[position],
        lambda model, epoch: {},
    )
    values = {**params.stage_values("pretrain"), "pretrained": source.model_dump()}
    decisive = {**values, "code": code_digest("pretrain")}
    files = [args.clips, *sorted(args.frames.glob("*.parquet"))]
    state = SavedState(
        args.state, digest(decisive, files), settings.save_every_minutes, processes.is_first
    )
    trained = train(task, model, settings, state, processes)
    if not processes.is_first:
        return
    sampling = source.sampling or settings.sampling
    meta = {"backbone": settings.backbone, "labels": labels, "sampling": sampling}
    write_weights(args.model, model.state_dict(), meta)
    state.discard()
    counts = {"clips": float(len(examples)), "labels": float(len(labels))}
    record(args, params, {**counts, "loss": float(trained.history[-1]["loss"])})


def fetch_checkpoint(
    source: Pretrained, model: Path, patience: RetryPolicy, lock: DataLock
) -> Path:
    """The published file: where it lies, or downloaded beside `model`."""
    address = str(source.checkpoint)
    if "://" not in address:
        return Path(address)
    target = model.with_name(f".{address.rpartition('/')[2]}")
    fetch_locked(address, target, patience, lock, sha256=source.sha256)
    return target


def use_checkpoint(name: str, params: Params, model: Path, lock: DataLock) -> Counts:
    """Check a published checkpoint against our backbone and keep its weights."""
    source = params.data.pretrained[name]
    patience = RetryPolicy(params.download.timeout_seconds, params.download.attempts)
    path = fetch_checkpoint(source, model, patience, lock)
    weights = read_weights(path)
    load_backbone(backbone(params.pretrain.backbone), weights, str(path))
    write_weights(model, weights, {"backbone": params.pretrain.backbone, "source": path.name})
    if path.parent == model.parent and path.name.startswith("."):
        path.unlink()
    return {"tensors": float(len(weights))}


def record(args: argparse.Namespace, params: Params, counts: Counts) -> None:
    """Show the backbone in MLflow and leave its summary."""
    run = tracked_run(
        params.dataset,
        f"pretrain {args.name}",
        version_of([args.model]),
        {"stage": "pretrain"},
    )
    run.params(params.stage_values("pretrain"))
    run.metrics(counts)
    run.finish()
    write_summary(args.summary, counts)
