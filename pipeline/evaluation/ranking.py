"""Rank detections: the best rows of each keyframe, and the order of all, equal scores by content.

Keyframes with the same number of rows make a matrix of scores, and sorting its rows finds every
keyframe's last score within the limit. Only rows of just that score are compared by content.
"""

import numpy as np
import numpy.typing as npt

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
    room = limit - _count(better, starts)
    is_contested = _count(alike, starts) > room
    rivals = np.flatnonzero(alike & np.repeat(is_contested, length))
    run = np.searchsorted(starts, rivals, side="right") - 1
    rows = found.take(rivals)
    order = np.lexsort((rows.action, *rows.reading_order(), run))
    rivals, run = rivals[order], run[order]
    first = starts_of_runs(run)
    num_rivals = np.diff(first, append=len(run))
    rank = np.arange(len(run)) - np.repeat(first, num_rivals)
    kept: Bools = better | alike
    kept[rivals] = rank < room[run]
    return kept


def _last_scores(score: Floats, starts: Ints, length: Ints, limit: int) -> Floats:
    """[runs] the score at rank `limit` of each run of rows, -infinity where they are fewer."""
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


Keys = npt.NDArray[np.uint64]


def _falling(score: Floats) -> Keys:
    """Return [N] whole numbers in the opposite order of the scores, equal for equal scores."""
    bits = (score + 0.0).view(np.int64)  # makes -0.0 the 0.0 that it equals
    # As whole numbers, the bits of negative floats rise where the floats fall.
    if len(bits) and bits.min() < 0:
        bits = np.where(bits < 0, bits ^ np.int64(np.iinfo(np.int64).max), bits)
    # The largest int64 becomes 0, the smallest the largest of its unsigned kind.
    return (np.iinfo(np.int64).max - bits).view(np.uint64)


def best_first(group: Ints, num_groups: int, score: Floats) -> Ints:
    """Return [N] the order by group, then falling score; rows equal in both stay in their order.

    Args:
        group: [N] in 0 ... num_groups - 1.
        score: [N] no NaN.
    """
    index_bits = max(1, (len(score) - 1).bit_length())
    score_bits = 64 - index_bits - max(1, (num_groups - 1).bit_length())
    keys = _falling(score)
    if len(keys) == 0:
        return np.zeros(0, dtype=np.int64)
    keys -= keys.min()
    keys >>= np.uint64(max(0, int(keys.max()).bit_length() - score_bits))
    keys |= group.astype(np.uint64) << np.uint64(score_bits)
    keys <<= np.uint64(index_bits)
    keys |= np.arange(len(keys), dtype=np.uint64)
    keys.sort()
    order = (keys & np.uint64((1 << index_bits) - 1)).view(np.int64)
    ranked = score[order]
    keys >>= np.uint64(index_bits)
    if ((keys[1:] == keys[:-1]) & (ranked[1:] > ranked[:-1])).any():
        alike = members_of_ties(starts_of_runs(keys), len(keys))
        order[alike] = order[alike][np.lexsort((-ranked[alike], keys[alike]))]
    return order


def members_of_ties(starts: Ints, length: int) -> Ints:
    """Positions of the rows that share their run with others, from the starts of the runs."""
    lengths = np.diff(starts, append=length)
    in_tie: Bools = np.repeat(lengths > 1, lengths)
    return np.flatnonzero(in_tie)
