"""What a validation split is scored on, and all validation splits scored as one.

The same video id in two splits means two videos: Kinetics and AVA both name videos by YouTube id,
but annotate them apart, with keyframes and exclusions of their own. In the joint split an id
therefore carries its split in front ("val_ava/1j20qq1JyX4").
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from pandas.api.types import union_categoricals

from pipeline.settings.sections import JOINT_SPLIT


@dataclass(frozen=True)
class SplitTables:
    """The four tables behind the scores of a split, all with video_id and timestamp."""

    detections: pd.DataFrame
    ground_truth: pd.DataFrame
    exclusions: pd.DataFrame
    index: pd.DataFrame  # the keyframes whose frames are available


def with_joint(splits: Mapping[str, SplitTables]) -> dict[str, SplitTables]:
    """Return the splits, and behind them `JOINT_SPLIT` of all their rows where there are several.

    Raises:
        ValueError: one of several splits has the name of the joint one.
    """
    if len(splits) < 2:
        return dict(splits)
    if JOINT_SPLIT in splits:
        raise ValueError(
            f"validation splits: found {list(splits)}, expected none to be called {JOINT_SPLIT!r}, "
            "the name of all of them together"
        )
    joint = SplitTables(
        detections=_joined({split: each.detections for split, each in splits.items()}),
        ground_truth=_joined({split: each.ground_truth for split, each in splits.items()}),
        exclusions=_joined({split: each.exclusions for split, each in splits.items()}),
        index=_joined({split: each.index for split, each in splits.items()}),
    )
    return {**splits, JOINT_SPLIT: joint}


def _joined(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One table below the other, each id with its split in front; video_id is a category."""
    ids = [_qualified(table["video_id"], split) for split, table in tables.items()]
    rest = [table.drop(columns="video_id") for table in tables.values()]
    for table in rest:
        table.attrs = {}  # a row of the joint table stands in no file
    joined = pd.concat(rest, ignore_index=True)
    joined.insert(0, "video_id", pd.Series(union_categoricals(ids)))
    return joined


def _qualified(ids: pd.Series, split: str) -> pd.Categorical:
    # Millions of rows share a few hundred videos: only the categories are renamed.
    known = pd.Categorical(ids)
    names = pd.Index([f"{split}/{name}" for name in known.categories], dtype="object")
    return pd.Categorical.from_codes(known.codes, names)
