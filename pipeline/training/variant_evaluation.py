"""Evaluate one trained variant and write its files."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pipeline.annotations.ava_csv import write_detections
from pipeline.annotations.class_list import read_class_list
from pipeline.core.atomic import written, written_folder
from pipeline.core.summaries import write_summary
from pipeline.evaluation.errors import PROTOCOL, ErrorAnalysis, analyse_errors, write_errors
from pipeline.evaluation.metrics import Scores, score_split, write_metrics
from pipeline.models.checkpoints import load_weights, read_meta, read_weights
from pipeline.settings.params import Params
from pipeline.training.hardware import set_up
from pipeline.training.keyframe_dataset import EvaluationKeyframes
from pipeline.training.state import digest
from pipeline.training.variant_run import RUN_KEY, log_evaluation, variant_run
from pipeline.training.variants import (
    detect_splits,
    detector_of,
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
    """Return scores by split and protocol, and errors by split; several splits also count as one.

    Args:
        detections: by split.
        keyframes: by split.
        params: names the annotation files.
        raw: folder of the annotation files.
    """
    classes = read_class_list(raw / params.data.class_list)
    tables = split_tables(detections, keyframes, params, raw)
    scores = {split: score_split(each, classes) for split, each in tables.items()}
    errors = {
        split: analyse_errors(each, scores[split][PROTOCOL], classes)
        for split, each in tables.items()
    }
    return scores, errors


def write_detection_files(detections: Mapping[str, pd.DataFrame], out: Path) -> None:
    """Write `detections.parquet` with all splits, and `detections/<split>.csv` in AVA's format."""
    named = [table.assign(split=split) for split, table in detections.items()]
    together = pd.concat(named, ignore_index=True)
    together.insert(0, "split", together.pop("split"))
    with written(out / "detections.parquet") as temporary:
        together.to_parquet(temporary, index=False)
    with written_folder(out / "detections") as folder:
        for split, table in detections.items():
            write_detections(folder / f"{split}.csv", table)


def evaluate_variant(
    *,
    params: Params,
    variant: str,
    model: Path,
    raw: Path,
    index: Path,
    frames: Path,
    out: Path,
    summary: Path | None,
) -> None:
    """Run a trained detector over the validation splits and score its detections.

    Args:
        params: the settings.
        variant: a name in `variants`.
        model: its trained weights.
        raw: folder of the annotation files.
        index: folder of the keyframe indexes.
        frames: folder of the stored frames.
        out: folder of the variant's results.
        summary: where to write the counts.
    """
    settings, section = params.train(variant), params.evaluate
    device = set_up(settings.threads, settings.deterministic)
    detector = detector_of(settings)
    load_weights(detector, read_weights(model), str(model))
    detector.to(device)
    keyframes = validation_keyframes(params, settings, index, FrameStore(frames))

    what = f"evaluate {variant} on"
    detections = detect_splits(detector, keyframes, section, what, settings.workers)
    scores, errors = score(detections, keyframes, params, raw)

    write_detection_files(detections, out)
    classes = read_class_list(raw / params.data.class_list)
    metrics = write_metrics(out, variant, scores, classes, section.bootstrap_resamples)
    write_errors(out / "errors.json", errors, classes)
    fingerprint = read_meta(model).get(RUN_KEY) or digest({}, [model])
    tracked = variant_run(params.dataset, variant, fingerprint)
    files = [index / f"{split}.parquet" for split in keyframes]
    log_evaluation(tracked, metrics, out, files, settings.epochs)
    write_summary(
        summary,
        {
            "keyframes": sum(len(examples) for examples in keyframes.values()),
            "detections": sum(len(table) for table in detections.values()),
            "mAP": float(str(metrics["mAP"])) if metrics["mAP"] is not None else float("nan"),
        },
    )
