"""Number the annotated keyframes of a ground truth table, and find the number of any row.

A keyframe is a video id and a timestamp to the microsecond, as the official script's key `%.6f`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class AnnotatedKeyframes:
    """The annotated keyframes, numbered in the order of video id and time."""

    def __init__(self, ground_truth: pd.DataFrame) -> None:
        runs = _Runs(ground_truth)
        self.video_ids = pd.Index(sorted(set(runs.ids[runs.video[runs.video >= 0]])), dtype=object)
        self._times = pd.Index(np.unique(runs.microseconds))
        self._keys = pd.Index(np.unique(self._key_of(runs)))
        self._video = self._keys.to_numpy(dtype=np.int64) // max(len(self._times), 1)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, table: pd.DataFrame) -> Ints:
        """[N] number of each row's keyframe, -1 where the ground truth has no such keyframe."""
        runs = _Runs(table)
        found = self._keys.get_indexer(pd.Index(self._key_of(runs)))
        return np.repeat(found.astype(np.int32), runs.length)

    def is_excluded(self, exclusions: pd.DataFrame) -> Bools:
        """[keyframes + 1] whether each does not count; the last entry answers for number -1."""
        excluded = np.zeros(len(self) + 1, dtype=bool)
        excluded[self.find(exclusions)] = True
        excluded[-1] = True
        return excluded

    def video(self, keyframe: Ints) -> Ints:
        return self._video[keyframe]

    def _key_of(self, runs: "_Runs") -> Ints:
        # The last entry answers for a row without a video id.
        number = np.append(self.video_ids.get_indexer(runs.ids), -1)
        video = number[runs.video]
        time = self._times.get_indexer(pd.Index(runs.microseconds))
        return np.where((video < 0) | (time < 0), -1, video * len(self._times) + time)


class _Runs:
    """Neighbouring rows of one keyframe: files come keyframe by keyframe, so these are few."""

    def __init__(self, table: pd.DataFrame) -> None:
        ids = table["video_id"]
        if isinstance(ids.dtype, pd.CategoricalDtype):
            codes, names = ids.cat.codes.to_numpy(), ids.cat.categories
        else:
            codes, names = pd.factorize(ids)
        seconds = table["timestamp"].to_numpy(dtype=np.float64)
        start = starts_of_runs(codes, seconds)
        self.ids = pd.Index(names, dtype=object)
        self.video: Ints = codes[start]
        self.microseconds = np.rint(seconds[start] * 1e6).astype(np.int64)
        self.length = np.diff(start, append=len(codes))


def starts_of_runs(*columns: npt.NDArray[np.generic]) -> Ints:
    """Where a row differs from the one before in any of the columns; the first row always does."""
    is_new = np.ones(len(columns[0]), dtype=bool)
    if len(is_new):
        is_new[1:] = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        is_new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(is_new)
