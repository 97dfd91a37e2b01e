"""What the evaluators of the field do differently with the same files.

    official   ActivityNet's `get_ava_performance.py`: after the class filter at most 50 rows (box x
               action) per keyframe by score, then boxes without area go; excluded keyframes vanish
               on both sides; an action that is never detected has AP 0.
    uncapped   The same without the limit of 50 rows.
    mmaction2  That project's copy: no limit, detected boxes and scores rounded to float32, boxes
               without area stay as false positives, ground truth of excluded keyframes still counts
               in the recall, a keyframe needs ground truth of a class that counts, a never-detected
               action is left out of the mean, ties run through the keyframes backwards. It takes
               neither fractional timestamps nor keyframes without people.

In all three a detection outside the annotated keyframes is ignored.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """One evaluator's habits; the defaults are those of the official script without its limit."""

    max_rows: int | None = None  # per keyframe, best scores first
    rounds_to_float32: bool = False  # detected boxes and scores
    keeps_flat_boxes: bool = False
    counts_excluded_ground_truth: bool = False
    needs_counted_ground_truth: bool = False  # in a keyframe, or its detections are ignored
    skips_undetected: bool = False
    reverses_keyframe_ties: bool = False
    whole_seconds_with_people_only: bool = False


PROTOCOLS = {
    "official": Protocol(max_rows=50),
    "uncapped": Protocol(),
    "mmaction2": Protocol(
        rounds_to_float32=True,
        keeps_flat_boxes=True,
        counts_excluded_ground_truth=True,
        needs_counted_ground_truth=True,
        skips_undetected=True,
        reverses_keyframe_ties=True,
        whole_seconds_with_people_only=True,
    ),
}


def protocol(name: str) -> Protocol:
    """Look a protocol up; ValueError names the known ones."""
    if name not in PROTOCOLS:
        raise ValueError(f"protocol: found {name!r}, expected one of {list(PROTOCOLS)}")
    return PROTOCOLS[name]
