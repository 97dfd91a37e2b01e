"""The evaluation of one trained variant, from its flags to its files."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pipeline.annotations.ava_csv import read_class_list, write_detections
from pipeline.core.atomic import written, written_folder
from pipeline.core.summaries import write_summary
from pipeline.evaluation.errors import PROTOCOL, ErrorAnalysis, analyse_errors, write_errors
from pipeline.evaluation.metrics import Scores, score_split, write_metrics
from pipeline.models.checkpoints import load_weights, read_meta, read_weights
from pipeline.settings.params import Params, load_params
from pipeline.training.hardware import set_up
from pipeline.training.keyframe_dataset import EvaluationKeyframes
from pipeline.training.state import digest
from pipeline.training.variant_run import RUN_KEY, log_evaluation, variant_run
from pipeline.training.variants import (
    detector_of,
    find_actions,
    split_tables,
    validation_keyframes,
)
from pipeline.video.frame_store import FrameStore


def score(
    detections: Mapping[str, pd.DataFrame],
    keyframes: Mapping[str, EvaluationKeyframes],
    params: Params,
    raw: Path,
) -> tuple[dict[str, dict[str, Scores]], dict[str, ErrorAnalysis]]:
    """Scores by split and protocol, and errors by split; several splits also count as one."""
    classes = read_class_list(raw / params.data.class_list)
    tables = split_tables(detections, keyframes, params, raw)
    scores = {split: score_split(each, classes) for split, each in tables.items()}
    errors = {
        split: analyse_errors(each, scores[split][PROTOCOL], classes)
        for split, each in tables.items()
    }
    return scores, errors


def write_found(detections: Mapping[str, pd.DataFrame], out: Path) -> None:
    """Write `detections.parquet` with all splits, and `detections/<split>.csv` as AVA has it."""
    named = [found.assign(split=split) for split, found in detections.items()]
    table = pd.concat(named, ignore_index=True)
    table.insert(0, "split", table.pop("split"))
    with written(out / "detections.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    with written_folder(out / "detections") as folder:
        for split, found in detections.items():
            write_detections(folder / f"{split}.csv", found)


def evaluate(args: argparse.Namespace) -> None:
    """Detect, score and write; see the flags."""
    params = load_params(args.params)
    settings = params.train(args.variant)
    device = set_up(settings.threads, settings.deterministic)
    model = detector_of(settings)
    load_weights(model, read_weights(args.model), str(args.model))
    model.to(device)
    keyframes = validation_keyframes(params, settings, args.index, FrameStore(args.frames))

    detections = find_actions(
        model, keyframes, params.evaluate, f"evaluate {args.variant} on", settings.workers
    )
    scores, errors = score(detections, keyframes, params, args.raw)

    write_found(detections, args.out)
    classes = read_class_list(args.raw / params.data.class_list)
    resamples = params.evaluate.bootstrap_resamples
    metrics = write_metrics(args.out, args.variant, scores, classes, resamples)
    write_errors(args.out / "errors.json", errors, classes)
    fingerprint = read_meta(args.model).get(RUN_KEY) or digest({}, [args.model])
    tracked = variant_run(params.dataset, args.variant, fingerprint)
    index = [args.index / f"{split}.parquet" for split in keyframes]
    log_evaluation(tracked, metrics, args.out, index, settings.epochs)
    write_summary(
        args.summary,
        {
            "keyframes": sum(len(examples) for examples in keyframes.values()),
            "detections": sum(len(found) for found in detections.values()),
            "mAP": float(str(metrics["mAP"])) if metrics["mAP"] is not None else float("nan"),
        },
    )
