"""The network of a variant, its validation data and its scores."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pipeline.annotations.class_list import num_outputs, read_class_list
from pipeline.evaluation.metrics import read_split_ground_truth, score_available
from pipeline.evaluation.splits import SplitTables, with_joint
from pipeline.models.backbone import Backbone
from pipeline.models.fast_conv import use_fast_convolutions
from pipeline.models.networks import ActionDetector, build_detector
from pipeline.models.roi_head import NUM_OUTPUTS
from pipeline.sampling import Sampling
from pipeline.settings.params import Params
from pipeline.settings.sections import Evaluate, Train
from pipeline.training.batches import FrameSource
from pipeline.training.inference import detect
from pipeline.training.keyframe_dataset import EvaluationKeyframes
from pipeline.training.keyframe_index import KeyframeIndex, read_index
from pipeline.training.processes import Processes


def num_outputs_of(params: Params, raw: Path) -> int:
    """Return the number of outputs that the classes of the dataset need."""
    return num_outputs(read_class_list(raw / params.data.class_list))


def detector_of(settings: Train, outputs: int = NUM_OUTPUTS) -> ActionDetector:
    """Return the network that the settings describe, with fresh weights.

    Args:
        settings: of the variant.
        outputs: of its classifier, as from `num_outputs_of`.
    """

    def body() -> Backbone:
        return use_fast_convolutions(settings.backbone.build())

    return build_detector(
        body,
        temporal_max=settings.temporal_pool == "max",
        context=settings.context,
        head=settings.head,
        dropout=settings.dropout,
        deterministic=settings.deterministic,
        num_outputs=outputs,
    )


def validation_keyframes(
    params: Params, settings: Train, index: Path, frames: FrameSource
) -> dict[str, EvaluationKeyframes]:
    """Return the keyframes of each validation split.

    Args:
        params: names the splits.
        settings: of the variant.
        index: folder of the index files.
        frames: where the frames are stored.

    Raises:
        ValueError: none has a keyframe, so that no training could be scored.
    """
    sampling = Sampling.parse(settings.sampling)
    keyframes = {
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
    if not any(map(len, keyframes.values())):
        raise ValueError(
            f"{index}: found no keyframe to validate on in {list(keyframes)}, expected some: "
            "coverage.md beside it says what became of them"
        )
    return keyframes


def keyframe_table(index: KeyframeIndex) -> pd.DataFrame:
    """Return video_id and timestamp of the available keyframes."""
    video_id = pd.Series(index.video_id.to_pylist(), dtype="str")
    return pd.DataFrame({"video_id": video_id, "timestamp": index.timestamp})


def split_tables(
    detections: Mapping[str, pd.DataFrame],
    keyframes: Mapping[str, EvaluationKeyframes],
    params: Params,
    raw: Path,
) -> dict[str, SplitTables]:
    """Return the tables that each split is scored on; several splits also count as one.

    Args:
        detections: by split, from `detect`.
        keyframes: by split.
        params: names the annotation files.
        raw: folder of the annotation files.
    """
    tables = {}
    for split, detected in detections.items():
        ground_truth, exclusions = read_split_ground_truth(raw, params.subsets(split))
        available = keyframe_table(keyframes[split].index)
        tables[split] = SplitTables(detected, ground_truth, exclusions, available)
    return with_joint(tables)


def detect_splits(
    model: ActionDetector,
    keyframes: Mapping[str, EvaluationKeyframes],
    section: Evaluate,
    what: str,
    workers: int,
    processes: Processes = Processes(),  # noqa: B008 frozen
) -> dict[str, pd.DataFrame]:
    """Return the detections of each split.

    Args:
        model: on its device.
        keyframes: by split.
        section: settings of the evaluation.
        what: shown with the progress, before the split's name.
        workers: processes that make batches.
        processes: share the batches; the first one gets all detections.
    """
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
    """Return the official mAP of each split and of all together, on the available keyframes.

    Args:
        model: on its device.
        keyframes: by split.
        params: names the annotation files.
        raw: folder of the annotation files.
        workers: processes that make batches.
        processes: share the work; all get the scores.
    """
    classes = read_class_list(raw / params.data.class_list)
    detections = detect_splits(model, keyframes, params.evaluate, "validate", workers, processes)

    def score() -> dict[str, float]:
        tables = split_tables(detections, keyframes, params, raw)
        return {split: score_available(each, classes).mAP for split, each in tables.items()}

    return processes.from_first(score)
