"""From a variant's settings to its network, its data and its scores."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pipeline.annotations.ava_csv import read_class_list
from pipeline.evaluation.metrics import read_split_ground_truth, score_available
from pipeline.evaluation.splits import SplitTables, with_joint
from pipeline.models.backbone import Backbone
from pipeline.models.detector import ActionDetector, build_detector
from pipeline.models.zoo import backbone
from pipeline.sampling import Sampling
from pipeline.settings.params import Params
from pipeline.settings.sections import Evaluate, Train
from pipeline.training.batches import FrameSource
from pipeline.training.inference import detect
from pipeline.training.keyframe_dataset import EvaluationKeyframes
from pipeline.training.keyframe_index import KeyframeIndex, read_index
from pipeline.training.processes import Processes


def detector_of(settings: Train) -> ActionDetector:
    """The network that the settings describe, with fresh weights."""

    def body() -> Backbone:
        return backbone(settings.backbone)

    return build_detector(
        body,
        temporal_max=settings.temporal_pool == "max",
        context=settings.context,
        mlp=settings.head == "mlp",
        dropout=settings.dropout,
        deterministic=settings.deterministic,
    )


def validation_keyframes(
    params: Params, settings: Train, index: Path, frames: FrameSource
) -> dict[str, EvaluationKeyframes]:
    """The keyframes of each validation split.

    Args:
        index: folder of the index files.
    """
    sampling = Sampling.parse(settings.sampling)
    return {
        split: EvaluationKeyframes(
            read_index(index / f"{split}.parquet"),
            frames,
            sampling,
            settings.test_short_side_px,
            settings.min_proposal_score,
        )
        for split in params.splits
        if split != "train"
    }


def keyframe_table(index: KeyframeIndex) -> pd.DataFrame:
    """video_id and timestamp of the keyframes that could be had."""
    table = pd.DataFrame({"video_id": index.video_id, "timestamp": index.timestamp})
    return table.astype({"video_id": "str", "timestamp": "float64"})


def split_tables(
    detections: Mapping[str, pd.DataFrame],
    keyframes: Mapping[str, EvaluationKeyframes],
    params: Params,
    raw: Path,
) -> dict[str, SplitTables]:
    """What each validation split is scored on, and all of them together where there are several.

    Args:
        detections: by split, as `detect` gives them.
        raw: folder of the annotation files.
    """
    tables = {}
    for split, found in detections.items():
        ground_truth, exclusions = read_split_ground_truth(raw, params.subsets(split))
        had = keyframe_table(keyframes[split].index)
        tables[split] = SplitTables(found, ground_truth, exclusions, had)
    return with_joint(tables)


def find_actions(
    model: ActionDetector,
    keyframes: Mapping[str, EvaluationKeyframes],
    section: Evaluate,
    what: str,
    workers: int,
    processes: Processes = Processes(),  # noqa: B008 frozen
) -> dict[str, pd.DataFrame]:
    """Detections of each split; `what` stands before its name in the progress."""
    return {
        split: detect(
            model,
            examples,
            section.batch_size,
            section.min_score,
            f"{what} {split}",
            workers,
            section.precision,
            processes,
        )
        for split, examples in keyframes.items()
    }


def validate(
    model: ActionDetector,
    keyframes: Mapping[str, EvaluationKeyframes],
    params: Params,
    raw: Path,
    workers: int,
    processes: Processes = Processes(),  # noqa: B008 frozen
) -> dict[str, float]:
    """Official mAP of each split and of all together, on the keyframes that could be had."""
    classes = read_class_list(raw / params.data.class_list)
    detections = find_actions(model, keyframes, params.evaluate, "validate", workers, processes)

    def score() -> dict[str, float]:
        tables = split_tables(detections, keyframes, params, raw)
        return {split: score_available(each, classes).mAP for split, each in tables.items()}

    return processes.first_makes(score)
