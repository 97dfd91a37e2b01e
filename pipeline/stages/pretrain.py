"""Get the weights that detectors start from: train them on clip labels, or fetch published ones."""

import argparse
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.clips import read_clips
from pipeline.command import parser, run
from pipeline.frames.frame_store import FrameStore
from pipeline.models.checkpoints import load_backbone, read_weights, write_weights
from pipeline.models.recognizer import ClipRecognizer
from pipeline.models.slow_only import backbone
from pipeline.params import Params, load_params
from pipeline.sampling import Sampling
from pipeline.sections import Pretrain, Pretrained
from pipeline.summaries import write_summary
from pipeline.tracking import tracked_run, version_of
from pipeline.training.clip_dataset import LabelledClips, choose_clips, collate_clips
from pipeline.training.keyframe_dataset import Batch
from pipeline.training.loop import Task, set_up, train
from pipeline.training.state import SavedState
from pipeline.training.transforms import normalise
from pipeline.transfers.data_lock import DataLock, add_lock_flags, fetch_locked, lock_of
from pipeline.transfers.http_reader import Patience

CLASSIFIER_STRIDE = 2  # a classifier halves its map once more than a detector; the weights fit both


def train_on_labels(
    name: str, source: Pretrained, settings: Pretrain, clips: pd.DataFrame, frames: FrameStore
) -> tuple[ClipRecognizer, dict[str, object], dict[str, float]]:
    """Train a classifier of labelled clips.

    Returns: the classifier, what is known about it, and counts for the summary.
    """
    assert source.labels is not None
    assert source.clips_per_label is not None
    chosen = choose_clips(clips, source.labels, source.clips_per_label, frames)
    if chosen.empty:
        raise ValueError(f"pretrained.{name}: found no labelled clip with frames, expected some")
    labels = sorted(set(chosen["label"]))
    sampling = source.sampling or settings.sampling
    examples = LabelledClips(
        chosen["clip"].tolist(),
        [labels.index(label) for label in chosen["label"]],
        frames,
        Sampling.parse(sampling),
        settings.seed,
        settings.short_side_px,
        settings.crop_px,
    )
    device = set_up(settings.threads, deterministic=True)
    torch.manual_seed(settings.seed)
    body = backbone(settings.backbone, CLASSIFIER_STRIDE)
    model = ClipRecognizer(body, len(labels), settings.dropout).to(device)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(model(normalise(batch.clips.to(device))), batch.labels.to(device))

    task = Task(
        f"pretrain {name}",
        examples,
        len(examples),
        collate_clips,
        loss,
        lambda position: examples.clips[position],
        lambda model, epoch: {},
    )
    history = train(task, model, settings, SavedState(None, "", settings.save_every_minutes))
    meta: dict[str, object] = {"backbone": settings.backbone, "labels": labels}
    meta["sampling"] = sampling
    counts = {"clips": float(len(examples)), "labels": float(len(labels))}
    return model, meta, {**counts, "loss": float(history[-1]["loss"])}


def fetch_checkpoint(source: Pretrained, model: Path, patience: Patience, lock: DataLock) -> Path:
    """The published file: where it lies, or downloaded beside `model`."""
    address = str(source.checkpoint)
    if "://" not in address:
        return Path(address)
    target = model.with_name(f".{address.rpartition('/')[2]}")
    fetch_locked(address, target, patience, lock, sha256=source.sha256)
    return target


def use_checkpoint(name: str, params: Params, model: Path, lock: DataLock) -> dict[str, float]:
    """Check a published checkpoint against our backbone and keep its weights."""
    source = params.data.pretrained[name]
    patience = Patience(params.download.timeout_seconds, params.download.attempts)
    path = fetch_checkpoint(source, model, patience, lock)
    weights = read_weights(path)
    load_backbone(backbone(params.pretrain.backbone), weights, str(path))
    write_weights(model, weights, {"backbone": params.pretrain.backbone, "source": path.name})
    if path.parent == model.parent and path.name.startswith("."):
        path.unlink()
    return {"tensors": float(len(weights))}


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    params = load_params(args.params)
    known = params.data.pretrained
    if args.name not in known:
        raise ValueError(f"--name: found {args.name!r}, expected one of {list(known)}")
    source = known[args.name]
    if source.checkpoint is not None:
        counts = use_checkpoint(args.name, params, args.model, lock_of(args))
    else:
        clips, frames = read_clips(args.clips), FrameStore(args.frames)
        model, meta, counts = train_on_labels(args.name, source, params.pretrain, clips, frames)
        write_weights(args.model, model.state_dict(), meta)
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


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = parser(__doc__)
    flags.add_argument("--name", required=True, help="a name in the dataset's `pretrained`")
    flags.add_argument("--clips", type=Path, required=True, help="the clip table")
    flags.add_argument("--frames", type=Path, required=True, help="folder of the stored frames")
    flags.add_argument("--model", type=Path, required=True, help="weights to write")
    add_lock_flags(flags)
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
