"""Rows that lie in ranges of a table, gathered in one step."""

from typing import Any

import numpy as np
import numpy.typing as npt


def joined_ranges(first: npt.NDArray[Any], counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """[sum of counts] so many numbers from each first one on, one range after the other."""
    before = np.cumsum(counts) - counts
    joined: npt.NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(first - before, counts)
    return joined
