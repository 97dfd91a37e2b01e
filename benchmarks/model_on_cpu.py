"""The full 8x8 detector on the CPU, beside the same network of plain nn.Conv3d in float32.

    python -m benchmarks.model_on_cpu

One clip of 224 x 224 with five boxes, one thread. bfloat16 is measured where `precision: auto`
chooses it, which is wherever the CPU multiplies it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch

from benchmarks.model import (
    Batch,
    equal_networks,
    inference,
    refuse_difference,
    training_step,
)
from benchmarks.rows import Row, compared, cpu_seconds, in_turn, quickest, report
from pipeline.models.fast_conv import for_inference
from pipeline.training.hardware import in_precision, set_up, takes_bfloat16

TURNS = {"training step": 11, "inference": 31}
AGAINST = "plain Conv3d, float32"
GOALS = {"training step": (1.0, 0.30), "inference": (0.95, 0.25)}  # float32, bfloat16


def bfloat16() -> AbstractContextManager[object]:
    """Return what `precision: bfloat16` does."""
    return in_precision("bfloat16", torch.device("cpu"))


def rows() -> Iterator[Row]:
    device = torch.device("cpu")
    set_up(threads=1, deterministic=True)
    batch = Batch(1, 8, 224).to(device)
    ours, plain = equal_networks()
    difference = refuse_difference(ours, plain, batch)
    laid = batch.plainly_laid()
    has_bfloat16 = takes_bfloat16("auto", device)
    folded, halved = for_inference(ours), for_inference(ours, bfloat16=True)  # as in evaluation
    for what, make, full, half in (
        ("training step", training_step, ours, ours),
        ("inference", inference, folded, halved),
    ):
        contenders: dict[str, Callable[[], float]] = {
            "plain": cpu_seconds(make(plain, laid, batch, nullcontext)),
            "ours": cpu_seconds(make(full, batch.clip_BCTHW, batch, nullcontext)),
        }
        if has_bfloat16:
            step = cpu_seconds(make(half, batch.clip_BCTHW, batch, bfloat16))
            contenders["bfloat16"] = quickest(step, calls=3)  # which take as long as one of float32
        measured = in_turn(contenders, TURNS[what])
        floats, halves = GOALS[what]
        yield compared(
            f"{what}, 8x8, 224 px, float32",
            AGAINST,
            "CPU s",
            measured["ours"],
            measured["plain"],
            at_most=floats,
            note=f"outputs equal to {difference:.0e}",
        )
        work = f"{what}, 8x8, 224 px, bfloat16"
        if not has_bfloat16:
            yield Row(work, AGAINST, note="this CPU has no bfloat16 products")
            continue
        yield compared(
            work,
            AGAINST,
            "CPU s",
            measured["bfloat16"],
            measured["plain"],
            at_most=halves,
        )


if __name__ == "__main__":
    report(rows)
