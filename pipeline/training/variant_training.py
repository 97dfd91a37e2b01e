"""The training of one variant's detector, from its flags to its files."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from pipeline.core.atomic import written
from pipeline.core.source_code import code_digest
from pipeline.core.summaries import write_summary
from pipeline.core.tracking import TrackedRun
from pipeline.evaluation.metrics import main_split
from pipeline.models.checkpoints import load_start, read_weights, write_weights
from pipeline.models.detector import ActionDetector
from pipeline.sampling import Sampling
from pipeline.settings.params import Params, load_params
from pipeline.settings.sections import Train
from pipeline.training.batches import Batch
from pipeline.training.hardware import compile_backbone, in_precision, set_up
from pipeline.training.keyframe_dataset import TrainingKeyframes
from pipeline.training.keyframe_index import read_index
from pipeline.training.loop import Task, train
from pipeline.training.losses import LossSum, action_loss
from pipeline.training.processes import Processes
from pipeline.training.state import SavedState, digest
from pipeline.training.variant_run import RUN_KEY, epochs_to, variant_run
from pipeline.training.variants import detector_of, validate, validation_keyframes
from pipeline.video.frame_store import FrameStore

HISTORY_COLUMNS = ["epoch", "split", "loss", "learning_rate", "mAP"]


def training_keyframes(index: Path, frames: FrameStore, settings: Train) -> TrainingKeyframes:
    """The keyframes with people of the training split."""
    path = index / "train.parquet"
    keyframes = read_index(path, labelled_only=True)
    if not len(keyframes):
        raise ValueError(f"{path}: found no keyframe with people, expected some to train on")
    return TrainingKeyframes(
        keyframes,
        frames,
        Sampling.parse(settings.sampling),
        settings.seed,
        settings.short_side_px,
        settings.crop_px,
        settings.max_rois,
        settings.min_proposal_score,
    )


def task_of(
    params: Params, args: argparse.Namespace, device: torch.device, processes: Processes
) -> Task:
    """What the training of a variant consists of.

    Args:
        args: flags of the stage `train`.
    """
    settings, frames = params.train(args.variant), FrameStore(args.frames)
    examples = training_keyframes(args.index, frames, settings)
    validation = validation_keyframes(params, settings, args.index, frames)
    gamma = settings.focal_gamma if settings.loss == "focal" else None

    def loss(model: nn.Module, batch: Batch) -> LossSum:
        with in_precision(settings.precision, device):
            logits = model(batch.shown(), batch.boxes)
        return action_loss(logits.float(), batch.labels, gamma)

    def describe(position: int) -> str:
        keyframes = examples.index
        return f"{keyframes.video_id[position]},{keyframes.timestamp[position]:g}"

    def validated(model: nn.Module, epoch: int) -> Mapping[str, float]:
        assert isinstance(model, ActionDetector)
        if settings.validate_every == 0 or epoch % settings.validate_every:
            return {}
        scores = validate(model, validation, params, args.raw, settings.workers, processes)
        first = main_split(scores)
        return {first: scores.pop(first), **scores}

    return Task(f"train {args.variant}", examples, len(examples), loss, describe, validated)


def run_training(args: argparse.Namespace, processes: Processes) -> None:
    """Train as one of the processes; the first one writes what comes of it."""
    params = load_params(args.params)
    settings = params.train(args.variant)
    device = set_up(settings.threads, settings.deterministic, processes.local_rank)
    torch.manual_seed(settings.seed)
    model = detector_of(settings)
    load_start(model, read_weights(args.pretrained), str(args.pretrained))
    model.to(device)
    if settings.compile:
        compile_backbone(model.backbone, device)
    files = [args.pretrained, args.index / "train.parquet", *sorted(args.frames.glob("*.parquet"))]
    values = params.train_values(args.variant)
    fingerprint = digest({**values, "code": code_digest("train")}, files)
    state = SavedState(args.state, fingerprint, settings.save_every_minutes, processes.is_first)
    tracked = TrackedRun(None, "")
    if processes.is_first:
        tracked = variant_run(params.dataset, args.variant, fingerprint)
    tracked.params(values)

    task = task_of(params, args, device, processes)
    trained = train(replace(task, measured=epochs_to(tracked)), model, settings, state, processes)
    if not processes.is_first:
        return

    with written(args.history) as temporary:
        table = pd.DataFrame(trained.history, columns=HISTORY_COLUMNS)
        table.to_csv(temporary, index=False, lineterminator="\n")
    meta = {"variant": args.variant, "train": values, RUN_KEY: fingerprint}
    write_weights(args.best, trained.best_weights, meta)
    write_weights(args.model, model.state_dict(), meta)
    state.discard()
    losses = [row["loss"] for row in trained.history if row["split"] == "train"]
    write_summary(
        args.summary,
        {
            "keyframes": task.num_examples,
            "epochs": settings.epochs,
            "parameters": sum(value.numel() for value in model.parameters()),
            **({"loss": losses[-1]} if losses else {}),
        },
    )
