"""Evaluating keyframes in batches of one size, beside one keyframe at a time.

    python -m benchmarks.evaluation

Stored frames to detections, one thread, float32: the full network beside the plain one as the
original evaluates it, one by one; the same for the demo's small network.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

from torch import nn

from benchmarks.made_frames import write_clips
from benchmarks.model import equal_networks
from benchmarks.rows import Row, compared, cpu_seconds, in_turn, report
from pipeline.sampling import Sampling
from pipeline.training import inference
from pipeline.training.hardware import set_up
from pipeline.training.inference import detect
from pipeline.training.keyframe_dataset import EvaluationKeyframes
from pipeline.video.frame_store import FrameStore

# Clips per second, against one by one: what inference of the network alone has to gain, and what
# batches bring where the network is small.
FULL_GOAL, SMALL_GOAL = 1.05, 1.3


def rows() -> Iterator[Row]:
    set_up(threads=1, deterministic=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ours, plain = equal_networks()
        full = keyframes(folder / "full", 4, (340, 256), 256)
        yield speedup(
            "full network, batches of 4", "plain Conv3d, one by one", full, ours, plain, FULL_GOAL
        )
        small = keyframes(folder / "small", 16, (128, 96), 96)
        tiny, plain = equal_networks((1, 1, 1, 1), width=12)
        work = "the demo's network, batches of 16"
        yield speedup(work, "plain Conv3d, one by one", small, tiny, plain, SMALL_GOAL)


def keyframes(
    folder: Path, number: int, size: tuple[int, int], short_side_px: int
) -> EvaluationKeyframes:
    """Return so many keyframes with frames of width and height `size`, under 8x8 sampling."""
    index = write_clips(folder, number, *size)
    store = FrameStore(folder / "store")
    return EvaluationKeyframes(index, store, Sampling.parse("8x8"), short_side_px, 0.9)


def speedup(
    work: str,
    against: str,
    examples: EvaluationKeyframes,
    ours: nn.Module,
    theirs: nn.Module,
    goal: float,
) -> Row:
    """Return clips per CPU second of one batch of all, against one by one."""
    run: Callable[..., object] = partial(
        detect, keyframes=examples, min_score=0.002, what="benchmark"
    )
    number = len(examples)

    def as_it_is() -> None:
        # `detect` would give the plain network its fast form, too.
        with patch.object(inference, "for_inference", lambda model, _: model.eval()):
            run(theirs, batch_size=1)

    contenders = {
        "ours": cpu_seconds(lambda: run(ours, batch_size=number)),
        "theirs": cpu_seconds(as_it_is),
    }
    rates = {
        name: [number / seconds for seconds in measured]
        for name, measured in in_turn(contenders, turns=5 if number < 8 else 9).items()
    }
    return compared(
        f"evaluation, {work}",
        against,
        "clips/CPU s",
        rates["ours"],
        rates["theirs"],
        at_least=goal,
    )


if __name__ == "__main__":
    report(rows)
