"""Keep the best rows of each keyframe.

Keyframes with the same number of rows make a matrix of scores, and sorting its rows finds every
keyframe's last score within the limit. Only rows of just that score are compared by content.
"""

import numpy as np

from pipeline.evaluation.annotated_keyframes import Bools, Floats, Ints, starts_of_runs
from pipeline.evaluation.boxes import Boxes


def within_limit(found: Boxes, limit: int) -> Bools:
    """Return [N] which rows are among the best `limit` of their keyframe.

    Rows are ordered by score, then by box (y1, x1, y2, x2), then by action.
    """
    starts = starts_of_runs(found.keyframe)
    if len(starts) > len(np.unique(found.keyframe[starts])):
        order = np.argsort(found.keyframe, kind="stable")
        in_file_order: Bools = np.empty(len(found), dtype=bool)
        in_file_order[order] = within_limit(found.take(order), limit)
        return in_file_order
    length = np.diff(starts, append=len(found))
    last = _last_scores(found.score, starts, length, limit)
    last_of_row = np.repeat(last, length)
    better, alike = found.score > last_of_row, found.score == last_of_row
    del last_of_row
    places = limit - _count(better, starts)
    is_contested = _count(alike, starts) > places
    rivals = np.flatnonzero(alike & np.repeat(is_contested, length))
    run = np.searchsorted(starts, rivals, side="right") - 1
    rows = found.take(rivals)
    order = np.lexsort((rows.action, *rows.reading_order(), run))
    rivals, run = rivals[order], run[order]
    first = starts_of_runs(run)
    num_rivals = np.diff(first, append=len(run))
    place = np.arange(len(run)) - np.repeat(first, num_rivals)
    kept: Bools = better | alike
    kept[rivals] = place < places[run]
    return kept


def _last_scores(score: Floats, starts: Ints, length: Ints, limit: int) -> Floats:
    """[runs] the score in place `limit` of each run of rows, -infinity where they are fewer."""
    last = np.full(len(starts), -np.inf)
    for num_rows in np.unique(length[length > limit]):
        runs = np.flatnonzero(length == num_rows)
        score_RN = score[starts[runs][:, None] + np.arange(num_rows)]
        score_RN.sort(axis=1)  # in vectors of the processor: faster than a partition
        last[runs] = score_RN[:, -limit]
    return last


def _count(chosen: Bools, starts: Ints) -> Ints:
    counts: Ints = np.add.reduceat(chosen, starts, dtype=np.int64) if len(starts) else starts
    return counts
