"""The detector on a GPU at 256 x 256, beside the card's ceiling and the plain network.

    python -m benchmarks.model_on_gpu

Without a GPU every row is there and empty. Times are of the wall: the card is nobody else's.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any

import torch

from benchmarks.model import (
    Batch,
    Precision,
    equal_networks,
    inference,
    refuse_difference,
    training_step,
)
from benchmarks.rows import Row, compared, in_turn, report
from pipeline.models.fast_conv import for_inference
from pipeline.models.heads import MLPHead
from pipeline.models.networks import ActionDetector
from pipeline.training.hardware import compile_backbone, in_precision, set_up

CEILING = 790e12  # bfloat16 FLOP/s that an H200 reaches on large matrices
FLOP = {4: 0.25e12, 8: 0.50e12, 16: 1.00e12}  # of a clip in a training step, by frames
BATCHES = (8, 16, 32, 64)
HEADS: dict[str, dict[str, Any]] = {
    "context": {"context": True},
    "context, temporal max, MLP": {"context": True, "temporal_max": True, "head": MLPHead()},
}
TURNS, STEPS = 5, 5
SIDE = 256


def rows() -> Iterator[Row]:
    if not torch.cuda.is_available():
        for batch_size in BATCHES:
            yield Row(f"training step, 8x8, batch {batch_size}", note="no GPU")
        for name in (*HEADS, "4x16", "16x4"):
            yield Row(f"training step, batch 8, {name}", note="no GPU")
        yield Row("training step, batch 8, generated kernels", note="no GPU")
        yield Row("inference, 8x8, batch 8", note="no GPU")
        return
    device = set_up(threads=1, deterministic=False)
    ours, plain = (each.to(device) for each in equal_networks(deterministic=False))
    refuse_difference(ours, plain, Batch(1, 8, 224).to(device))
    for batch_size in BATCHES:
        yield from training_rows(device, ours, plain, batch_size)
    for name, head in HEADS.items():
        model, _ = equal_networks(deterministic=False, head=head)
        yield share_of_ceiling(name, model.to(device), Batch(8, 8, SIDE).to(device), 8)
    for name, num_frames in (("4x16", 4), ("16x4", 16)):
        yield share_of_ceiling(name, ours, Batch(8, num_frames, SIDE).to(device), num_frames)
    yield compiled_row(ours)
    yield inference_row(device, for_inference(ours, bfloat16=True), plain)


def training_rows(
    device: torch.device, ours: torch.nn.Module, plain: torch.nn.Module, batch_size: int
) -> Iterator[Row]:
    """Ours against the ceiling, against the plain network in bfloat16, and in TF32."""
    batch, halves = Batch(batch_size, 8, SIDE).to(device), bfloat16_on(device)
    laid = batch.plainly_laid()
    contenders = {
        "ours": rate(training_step(ours, batch.clip_BCTHW, batch, halves), batch_size),
        "plain": rate(training_step(plain, laid, batch, halves), batch_size),
        "TF32": rate(in_tf32(training_step(plain, laid, batch, nullcontext)), batch_size),
    }
    torch.cuda.reset_peak_memory_stats()
    contenders["ours"]()
    memory = f"peak {torch.cuda.max_memory_allocated() / 1e9:.1f} GB"
    measured = in_turn(contenders, TURNS)
    mine, work = measured["ours"], f"training step, 8x8, batch {batch_size}"
    against, unit = "790 TFLOP/s", "clips/s"
    ceiling = [CEILING / FLOP[8]] * TURNS
    yield compared(work, against, unit, mine, ceiling, at_least=0.4, note=memory)
    yield compared(work, "plain Conv3d, bfloat16", unit, mine, measured["plain"], at_least=3)
    yield compared(work, "plain Conv3d, TF32", unit, mine, measured["TF32"])


def share_of_ceiling(name: str, model: torch.nn.Module, batch: Batch, num_frames: int) -> Row:
    """Return a training step of 8 clips under bfloat16."""
    halves = bfloat16_on(batch.clip_BCTHW.device)
    step = rate(training_step(model, batch.clip_BCTHW, batch, halves), 8)
    mine = in_turn({"ours": step}, TURNS)["ours"]
    ceiling = [CEILING / FLOP[num_frames]] * TURNS
    return compared(f"training step, batch 8, {name}", "790 TFLOP/s", "clips/s", mine, ceiling)


def compiled_row(ours: ActionDetector) -> Row:
    """Return what `compile: true` adds to a training step of 8 clips."""
    generated = deepcopy(ours)
    batch = Batch(8, 8, SIDE).to(next(ours.parameters()).device)
    halves = bfloat16_on(batch.clip_BCTHW.device)
    compile_backbone(generated.backbone, batch.clip_BCTHW.device)
    measured = in_turn(
        {
            "generated": rate(training_step(generated, batch.clip_BCTHW, batch, halves), 8),
            "ours": rate(training_step(ours, batch.clip_BCTHW, batch, halves), 8),
        },
        TURNS,
    )
    work = "training step, batch 8, generated kernels"
    return compared(work, "without", "clips/s", measured["generated"], measured["ours"])


def inference_row(device: torch.device, ours: torch.nn.Module, plain: torch.nn.Module) -> Row:
    """Batches of 8, against the plain network one by one."""
    many, one = Batch(8, 8, SIDE).to(device), Batch(1, 8, SIDE).to(device)
    halves = bfloat16_on(device)
    measured = in_turn(
        {
            "ours": rate(inference(ours, many.clip_BCTHW, many, halves), 8),
            "plain": rate(inference(plain, one.plainly_laid(), one, halves), 1),
        },
        TURNS,
    )
    against = "plain Conv3d, bfloat16, one by one"
    work = "inference, 8x8, batch 8"
    return compared(work, against, "clips/s", measured["ours"], measured["plain"], at_least=4)


def bfloat16_on(device: torch.device) -> Precision:
    """Return what `precision: bfloat16` does on a device."""

    def halves() -> AbstractContextManager[object]:
        return in_precision("bfloat16", device)

    return halves


def in_tf32(step: Callable[[], None]) -> Callable[[], None]:
    """Return the step with shortened float32 products, as frameworks have them by default."""

    def shortened() -> None:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
        step()
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False

    return shortened


def rate(step: Callable[[], None], num_clips: int) -> Callable[[], float]:
    """Return the step as a contender: clips per second."""

    def timed() -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        torch.cuda.synchronize()
        return STEPS * num_clips / (time.perf_counter() - start)

    return timed


if __name__ == "__main__":
    report(rows)
