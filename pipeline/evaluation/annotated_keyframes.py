"""Numbers for the annotated keyframes of a truth table, and the way from any row to its number.

A keyframe is a video id and a timestamp to the microsecond, as the official script's key `%.6f`.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class AnnotatedKeyframes:
    """The annotated keyframes, numbered in the order of video id and time."""

    def __init__(self, truth: pd.DataFrame) -> None:
        self.video_ids = pd.Index(sorted(truth["video_id"].unique()), dtype=object)
        self._times = pd.Index(np.unique(_microseconds(truth)))
        self._keys = pd.Index(np.unique(self._key_of(truth)))

    def find(self, table: pd.DataFrame) -> Ints:
        """[N] number of each row's keyframe, -1 where the truth has no such keyframe."""
        return self._keys.get_indexer(pd.Index(self._key_of(table))).astype(np.int64)

    def is_excluded(self, exclusions: pd.DataFrame) -> Bools:
        """[keyframes + 1] whether each does not count; the last entry answers for number -1."""
        excluded = np.zeros(len(self._keys) + 1, dtype=bool)
        excluded[self.find(exclusions)] = True
        excluded[-1] = True
        return excluded

    def video(self, keyframe: Ints) -> Ints:
        return self._keys.to_numpy(dtype=np.int64)[keyframe] // max(len(self._times), 1)

    def _key_of(self, table: pd.DataFrame) -> Ints:
        ids = table["video_id"]
        if isinstance(ids.dtype, pd.CategoricalDtype):
            video = self.video_ids.get_indexer(ids.cat.categories)[ids.cat.codes]
        else:
            video = self.video_ids.get_indexer(pd.Index(ids, dtype=object))
        time = self._times.get_indexer(pd.Index(_microseconds(table)))
        key = video.astype(np.int64) * len(self._times) + time
        return np.where((video < 0) | (time < 0), -1, key)


def _microseconds(table: pd.DataFrame) -> Ints:
    return np.rint(table["timestamp"].to_numpy(dtype=np.float64) * 1e6).astype(np.int64)
