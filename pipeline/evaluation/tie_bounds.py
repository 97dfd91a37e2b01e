"""How far the order of equal scores can move an average precision.

Where a run of equal scores holds hits and misses, luck puts the hits first and bad luck last. Where
equals compete for the last places of a keyframe, luck also keeps hits rather than misses. Both are
worked out for one action at a time, so no order takes its AP further than these ends. (Actions of a
keyframe share its places, so not every action need reach its end in the same order.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.evaluation.annotated_keyframes import Bools, Floats, Ints, starts_of_runs

End = Literal["best", "worst"]


@dataclass(frozen=True)
class Changes:
    """What another order at the limit adds to each action at each score.  D changes"""

    action: Ints  # [D] index into the actions
    score: Floats  # [D]
    hits: Ints  # [D] may be negative
    rows: Ints  # [D]

    def of(self, action: int) -> "Changes":
        at = np.flatnonzero(self.action == action)
        return Changes(self.action[at], self.score[at], self.hits[at], self.rows[at])


AtLimit = Mapping[End, Changes]  # empty where no equals competed


@dataclass(frozen=True)
class Contest:
    """Rows that compete for the last places of their keyframes, hits told.  T rows"""

    keyframe: Ints
    action: Ints
    score: Floats
    places: Ints  # left for the equals of the same keyframe
    rivals: Ints  # equals of the same keyframe
    has_area: Bools  # a row without takes a place and counts as nothing
    hit: Bools
    kept: Bools  # in the defined order

    def changes(self) -> dict[End, Changes]:
        """What luck and bad luck would add to what the defined order kept."""
        if len(self.keyframe) == 0:
            return {}
        order = np.lexsort((self.action, self.keyframe))
        starts = starts_of_runs(self.keyframe[order], self.action[order])

        def count(chosen: Bools) -> Ints:
            counts: Ints = np.add.reduceat(chosen[order], starts, dtype=np.int64)
            return counts

        hits, misses = count(self.hit), count(self.has_area & ~self.hit)
        kept_hits, kept_rows = count(self.kept & self.hit), count(self.kept & self.has_area)
        first = order[starts]
        places, rivals = self.places[first], self.rivals[first]
        few_misses = np.maximum(0, places - (rivals - misses))
        few_hits = np.maximum(0, places - (rivals - hits))
        ends: dict[End, tuple[Ints, Ints]] = {
            "best": (np.minimum(hits, places), few_misses),
            "worst": (few_hits, np.minimum(misses, places)),
        }
        return {
            end: Changes(self.action[first], self.score[first], h - kept_hits, h + m - kept_rows)
            for end, (h, m) in ends.items()
        }


def ranks_of_hits(hit: Bools, score: Floats, end: End, changes: Changes | None) -> Ints:
    """[hits] ranks from 1 of the hits of one action at one end.

    Args:
        hit: [N] best score first.
        score: [N] falling.
        changes: of this action at this end.
    """
    starts = starts_of_runs(score)
    num_rows = np.diff(starts, append=len(score))
    num_hits: Ints = starts
    if len(starts):
        num_hits = np.add.reduceat(hit, starts, dtype=np.int64)
    if changes is not None and len(changes.score):
        scores = np.concatenate([score[starts], changes.score])
        _, run = np.unique(-scores, return_inverse=True)
        num_rows = _summed(run, np.concatenate([num_rows, changes.rows]))
        num_hits = _summed(run, np.concatenate([num_hits, changes.hits]))
    before = np.cumsum(num_rows) - num_rows
    if end == "worst":
        before = before + num_rows - num_hits
    hits_before = np.cumsum(num_hits) - num_hits
    ranks: Ints = np.arange(1, int(num_hits.sum()) + 1) + np.repeat(before - hits_before, num_hits)
    return ranks


def _summed(run: Ints, counts: Ints) -> Ints:
    total = np.zeros(int(run.max()) + 1, dtype=np.int64)
    np.add.at(total, run, counts)
    return total
