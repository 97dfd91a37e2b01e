"""What the report is about: every variant's numbers, and how sure each step of the table is."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.annotations.ava_csv import BOX
from pipeline.annotations.class_list import read_class_list
from pipeline.evaluation.annotated_keyframes import Floats
from pipeline.evaluation.matching import Matches
from pipeline.evaluation.metrics import (
    MAIN_PROTOCOL,
    Scores,
    available_ground_truth,
    read_split_ground_truth,
    score_detections,
)
from pipeline.evaluation.uncertainty import Step, draw_videos, resampled_mean_ap, step_of
from pipeline.settings.params import Params
from pipeline.settings.sections import JOINT_SPLIT, Train

AGREEMENT = 1e-9  # metrics.json and detections.parquet of a variant must tell the same mAP


@dataclass(frozen=True)
class Variant:
    """One row of the table, measured."""

    name: str
    train: Train
    metrics: dict[str, Any]  # its metrics.json
    errors: dict[str, Any]  # its errors.json: split to analysis
    step: Step | None  # to the variant above it; None in the first row
    published: float | None  # mAP in percent that the study's authors published; never ours

    @property
    def mAP(self) -> float | None:  # noqa: N802  the name the field uses
        value: float | None = self.metrics["mAP"]
        return value

    def measured(self, split: str, protocol: str = MAIN_PROTOCOL) -> dict[str, Any]:
        """Return mAP, interval and counts of a split; empty when the split was not scored."""
        found: dict[str, Any] = self.metrics["protocols"].get(split, {}).get(protocol, {})
        return found

    def coverage(self, split: str) -> dict[str, Any]:
        """mAP and counts of what is available and, as `..._all_ground_truth`, of all there is."""
        found: dict[str, Any] = self.metrics["coverage"][split]
        return found


@dataclass(frozen=True)
class Study:
    """Everything the report shows."""

    dataset: str
    variants: list[Variant]  # in the order of params.yaml
    split: str  # behind the headline numbers
    other_splits: list[str]
    classes: dict[int, str]
    history: pd.DataFrame  # variant, epoch, split, loss, learning_rate, mAP
    per_class: pd.DataFrame  # variant and the columns of per_class_ap.csv
    coverage: pd.DataFrame  # as coverage.csv
    keyframes: pd.DataFrame  # the main split's index: clip, frame, boxes, labels...
    best_detections: pd.DataFrame  # of the best variant on the main split
    best_matches: Matches
    num_resamples: int  # behind the intervals

    @property
    def best(self) -> Variant:
        return best_of(self.variants)

    @property
    def splits(self) -> list[str]:
        """The scored splits, the main one first."""
        return [self.split, *self.other_splits]

    def missing_from(self, split: str) -> bool:
        """Return whether some keyframes of a split are not available."""
        found = self.variants[0].coverage(split)
        return bool(found["num_keyframes"] < found["num_keyframes_all_ground_truth"])


def best_of(variants: list[Variant]) -> Variant:
    """Return the variant of the highest mAP, the first of equals."""
    return max(variants, key=lambda variant: -1.0 if variant.mAP is None else variant.mAP)


def load_study(params: Params, results: Path, raw: Path, index: Path, coverage: Path) -> Study:
    """Read what the earlier stages left.

    Args:
        results: folder with `variants/<variant>/` of every variant.
        raw: folder of the annotation files.
        index: folder of the index files.
        coverage: coverage.csv.

    Raises:
        ValueError: a metrics.json that its own detections do not bear out.
    """
    folders = {name: results / "variants" / name for name in params.variants}
    metrics = {name: _read_json(folder / "metrics.json") for name, folder in folders.items()}
    split = _same_split(metrics)
    classes = read_class_list(raw / params.data.class_list)
    keyframes = _read_parquet(index / f"{split}.parquet")
    judge = _Judge(params, raw, split, keyframes, classes)
    variants: list[Variant] = []
    previous: tuple[float, Floats] | None = None
    for name, folder in folders.items():
        scores, resampled = judge.score(folder, metrics[name])
        current = (scores.mAP, resampled)
        num_videos = len(scores.matches.video_ids)
        step = None if previous is None else _step(previous, current, num_videos)
        previous = current
        published = params.report.published.get(name)
        errors = _read_json(folder / "errors.json")
        variants.append(Variant(name, params.train(name), metrics[name], errors, step, published))
    best = folders[best_of(variants).name]
    best_scores, _ = judge.score(best, metrics[best.name])
    return Study(
        dataset=params.dataset,
        variants=variants,
        split=split,
        other_splits=[
            name
            for name in (*params.splits, JOINT_SPLIT)
            if name in variants[0].metrics["protocols"] and name != split
        ],
        classes=classes,
        history=_stacked(folders, "history.csv"),
        per_class=_stacked(folders, "per_class_ap.csv"),
        coverage=pd.read_csv(coverage, keep_default_na=False),
        keyframes=keyframes,
        best_detections=read_split_detections(best / "detections.parquet", split),
        best_matches=best_scores.matches,
        num_resamples=params.evaluate.bootstrap_resamples,
    )


class _Judge:
    """Scores variants on one split, each on the same resamples of its videos."""

    def __init__(
        self,
        params: Params,
        raw: Path,
        split: str,
        keyframes: pd.DataFrame,
        classes: dict[int, str],
    ) -> None:
        ground_truth, self._exclusions = read_split_ground_truth(raw, params.subsets(split))
        self._ground_truth = available_ground_truth(ground_truth, keyframes)
        self._split, self._classes = split, classes
        self._num_resamples = params.evaluate.bootstrap_resamples

    def score(self, folder: Path, metrics: dict[str, Any]) -> tuple[Scores, Floats]:
        """Return scores of a variant's detections, and its mAP in every resample."""
        path = folder / "detections.parquet"
        detections = read_split_detections(path, self._split)
        scores = score_detections(
            detections, self._ground_truth, self._exclusions, self._classes, MAIN_PROTOCOL
        )
        told = np.nan if metrics["mAP"] is None else metrics["mAP"]
        if not np.isclose(told, scores.mAP, rtol=0, atol=AGREEMENT, equal_nan=True):
            raise ValueError(
                f"{path}: found detections worth {scores.mAP:.6f} mAP, "
                f"expected the {told:.6f} of metrics.json beside it"
            )
        draws = draw_videos(len(scores.matches.video_ids), self._num_resamples)
        return scores, resampled_mean_ap(scores.matches, draws)


def read_split_detections(path: Path, split: str) -> pd.DataFrame:
    """Detections of one split from detections.parquet, as `ava_csv.read_detections` gives them."""
    table = _read_parquet(path, filters=[("split", "=", split)])
    table[[*BOX, "score"]] = table[[*BOX, "score"]].astype(np.float64)
    return table


def _step(before: tuple[float, Floats], after: tuple[float, Floats], num_videos: int) -> Step:
    return step_of(after[0] - before[0], after[1] - before[1], num_videos)


def _same_split(metrics: dict[str, dict[str, Any]]) -> str:
    splits = sorted({str(one["split"]) for one in metrics.values()})
    if len(splits) != 1:
        raise ValueError(f"metrics.json: found variants scored on {splits}, expected one split")
    return splits[0]


def _stacked(folders: dict[str, Path], file: str) -> pd.DataFrame:
    """One csv of every variant, with the variant's name in front."""
    tables = [pd.read_csv(folder / file) for folder in folders.values()]
    return pd.concat(tables, keys=folders, names=["variant", None]).reset_index("variant")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: {error}, expected JSON") from None
    return loaded


def _read_parquet(path: Path, filters: list[tuple[str, str, str]] | None = None) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pq.read_table(path, filters=filters).to_pandas()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {error}, expected a parquet table") from None
    return table
