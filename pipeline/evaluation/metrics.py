"""Score detections under the protocols of the field, and write a variant's metrics files."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.annotations.ava_csv import read_exclusions, read_ground_truth
from pipeline.core.atomic import written
from pipeline.evaluation.annotated_keyframes import AnnotatedKeyframes
from pipeline.evaluation.matching import Matches, match_detections, takes
from pipeline.evaluation.mean_ap import mean_ap, per_class_ap
from pipeline.evaluation.protocols import protocol as rules_of
from pipeline.evaluation.splits import SplitTables
from pipeline.evaluation.uncertainty import draw_videos, interval, resampled_mean_ap
from pipeline.settings.sections import Subset

MAIN_SPLIT, MAIN_PROTOCOL = "val_ava", "official"
PUBLISHED_PROTOCOL = "mmaction2"  # by which the study's authors measured
ALL_GROUND_TRUTH = "official_all_ground_truth"  # also what are not available on this machine

# The action ids of AVA fall into three categories (label_type in ava_action_list_v2.2.pbtxt).
CATEGORIES = {
    "person_movement": range(1, 15),
    "object_manipulation": range(15, 64),
    "person_interaction": range(64, 81),
}


@dataclass(frozen=True)
class Scores:
    """What one set of detections is worth under one protocol."""

    mAP: float  # noqa: N815  the name the field uses; mean over actions with ground truth, or NaN
    per_class: dict[int, float]  # AP by action id, NaN without ground truth
    num_ground_truth: dict[int, int]  # ground truth boxes by action id
    counts: dict[str, int]  # keyframes, ground truth boxes, rows used and left out by reason
    matches: Matches

    def per_category(self) -> dict[str, float]:
        """Return the mean AP of each of AVA's categories that has ground truth."""
        members = {
            name: mean_ap({action: ap for action, ap in self.per_class.items() if action in ids})
            for name, ids in CATEGORIES.items()
        }
        return {name: value for name, value in members.items() if not math.isnan(value)}


def score_detections(
    detections: pd.DataFrame,
    ground_truth: pd.DataFrame,
    exclusions: pd.DataFrame,
    classes: dict[int, str],
    protocol: str,
) -> Scores:
    """Return frame mAP at IoU 0.5.

    Args:
        detections, ground_truth, exclusions: tables as `ava_csv` reads them.
        classes: the actions that count, names by id.
        protocol: official, uncapped or mmaction2; `protocols` says how they differ.

    Raises:
        ValueError: an unknown protocol, or a row that `matching` refuses.
    """
    rules = rules_of(protocol)
    matches = match_detections(detections, ground_truth, exclusions, classes, rules)
    per_class = per_class_ap(matches, rules)
    totals = matches.num_ground_truth.sum(axis=1)
    return Scores(
        mAP=mean_ap(per_class),
        per_class=per_class,
        num_ground_truth={int(i): int(n) for i, n in zip(matches.action_ids, totals, strict=True)},
        counts=matches.counts,
        matches=matches,
    )


def read_split_ground_truth(
    raw: Path, subsets: Iterable[Subset]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ground truth and exclusions of a split, from the annotation files of its parts.

    Args:
        raw: folder of the annotation files.
        parts: the parts whose `split` is the one to score.
    """
    subsets = list(subsets)
    ground_truths = [read_ground_truth(raw / subset.ground_truth) for subset in subsets]
    exclusions = [
        read_exclusions(raw / subset.excluded if subset.excluded else None) for subset in subsets
    ]
    if len(subsets) == 1:  # keeps row numbers and the file's name for messages
        return ground_truths[0], exclusions[0]
    return pd.concat(ground_truths, ignore_index=True), pd.concat(exclusions, ignore_index=True)


def available_ground_truth(ground_truth: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """Return the ground truth of the available keyframes, those in `index`."""
    kept: pd.DataFrame = ground_truth[AnnotatedKeyframes(index).find(ground_truth) >= 0]
    return kept


def score_available(
    tables: SplitTables, classes: dict[int, str], protocol: str = MAIN_PROTOCOL
) -> Scores:
    """Return scores of a split on the keyframes that are available."""
    had = available_ground_truth(tables.ground_truth, tables.index)
    return score_detections(tables.detections, had, tables.exclusions, classes, protocol)


def score_split(tables: SplitTables, classes: dict[int, str]) -> dict[str, Scores]:
    """Return scores by protocol, on the available keyframes; `ALL_GROUND_TRUTH`: on all of them.

    `PUBLISHED_PROTOCOL` is left out where it refuses the ground truth: it knows neither fractional
    timestamps nor keyframes without people.
    """
    names = [MAIN_PROTOCOL, "uncapped"]
    if takes(rules_of(PUBLISHED_PROTOCOL), tables.ground_truth):
        names.append(PUBLISHED_PROTOCOL)
    scores = {name: score_available(tables, classes, name) for name in names}
    everywhere = score_detections(
        tables.detections, tables.ground_truth, tables.exclusions, classes, MAIN_PROTOCOL
    )
    return {**scores, ALL_GROUND_TRUTH: everywhere}


def write_metrics(
    folder: Path,
    variant: str,
    scores: Mapping[str, Mapping[str, Scores]],
    classes: Mapping[int, str],
    num_resamples: int = 1000,
) -> dict[str, object]:
    """Write `metrics.json` and `per_class_ap.csv` into a folder; equal scores give equal bytes.

    Args:
        scores: split to protocol to scores; every split has `MAIN_PROTOCOL`.
        num_resamples: bootstrap resamples behind each 95 % interval; 0 leaves the intervals out.

    Returns: what metrics.json holds.
    """
    split = main_split(scores)
    main = scores[split][MAIN_PROTOCOL]
    described = {
        name: {p: _described(s, num_resamples) for p, s in by_protocol.items()}
        for name, by_protocol in scores.items()
    }
    metrics: dict[str, object] = {
        "variant": variant,
        "mAP": _number(main.mAP),
        "split": split,
        "protocol": MAIN_PROTOCOL,
        "num_keyframes": main.counts["keyframes"],
        "num_videos": len(main.matches.video_ids),
        "coverage": {name: _coverage(by_protocol) for name, by_protocol in scores.items()},
        "protocols": described,
    }
    with written(folder / "metrics.json") as temporary:
        temporary.write_text(json.dumps(metrics, indent=1, sort_keys=True, allow_nan=False) + "\n")
    with written(folder / "per_class_ap.csv") as temporary:
        per_class_table(scores, classes).to_csv(temporary, index=False, lineterminator="\n")
    return metrics


def main_split(splits: Iterable[str]) -> str:
    """The split behind the headline number: AVA's validation split, or else the first one."""
    names = list(splits)
    if not names:
        raise ValueError("metrics: found no scored split, expected at least one")
    return MAIN_SPLIT if MAIN_SPLIT in names else names[0]


def per_class_table(
    scores: Mapping[str, Mapping[str, Scores]], classes: Mapping[int, str]
) -> pd.DataFrame:
    """Return split, protocol, action_id, action, num_ground_truth and AP, one row per action."""
    rows = [
        (split, protocol, action, classes[action], result.num_ground_truth[action], ap)
        for split, by_protocol in scores.items()
        for protocol, result in by_protocol.items()
        for action, ap in result.per_class.items()
    ]
    columns = ["split", "protocol", "action_id", "action", "num_ground_truth", "AP"]
    return pd.DataFrame(rows, columns=columns)


def _described(scores: Scores, num_resamples: int) -> dict[str, object]:
    draws = draw_videos(len(scores.matches.video_ids), num_resamples)
    resampled = resampled_mean_ap(scores.matches, draws)
    found = interval(resampled, scores.mAP, draws.shape[1])
    return {
        "mAP": _number(scores.mAP),
        "interval": None if found is None else [found.low, found.high],
        "per_category": scores.per_category(),
        "counts": scores.counts,
        "num_videos": len(scores.matches.video_ids),
        "num_actions": int(np.isfinite(list(scores.per_class.values())).sum()),
    }


def _coverage(scores: Mapping[str, Scores]) -> dict[str, object]:
    """Return counts of what is available and of all there is, side by side."""
    had, whole = scores[MAIN_PROTOCOL], scores.get(ALL_GROUND_TRUTH, scores[MAIN_PROTOCOL])
    return {
        "mAP": _number(had.mAP),
        "mAP_all_ground_truth": _number(whole.mAP),
        "num_keyframes": had.counts["keyframes"],
        "num_keyframes_all_ground_truth": whole.counts["keyframes"],
        "num_ground_truth": had.counts["ground_truth_boxes"],
        "num_ground_truth_all_ground_truth": whole.counts["ground_truth_boxes"],
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
