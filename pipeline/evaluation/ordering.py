"""Sort millions of rows by a group and a falling score, as one whole number per row.

Numpy sorts whole numbers several times faster than it finds the order of pairs of columns. A number
holds group, score and the row's place; where the bits of a float64 score do not all fit, rows that
look alike are told apart afterwards: no order is ever decided by the bits that were dropped.
"""

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.annotated_keyframes import Bools, Floats, Ints, starts_of_runs

Keys = npt.NDArray[np.uint64]


def _falling(score: Floats) -> Keys:
    """[N] whole numbers in the opposite order of the scores, equal for equal scores."""
    bits = (score + 0.0).view(np.int64)  # makes -0.0 the 0.0 that it equals
    # As whole numbers, the bits of negative floats rise where the floats fall.
    if len(bits) and bits.min() < 0:
        bits = np.where(bits < 0, bits ^ np.int64(np.iinfo(np.int64).max), bits)
    # The largest int64 becomes 0, the smallest the largest of its unsigned kind.
    return (np.iinfo(np.int64).max - bits).view(np.uint64)


def best_first(group: Ints, num_groups: int, score: Floats) -> Ints:
    """[N] the order by group, then falling score; rows equal in both stay in their order.

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
