"""Batches from loader to device, each on its way while the one before it is worked on."""

from collections.abc import Iterable, Iterator

import torch

from pipeline.training.batches import Batch


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches in their order, on the device.

    On a GPU the next batch is copied on a stream of its own, so that the card does not wait for it;
    it must lie in pinned memory.
    """
    if device.type != "cuda":
        yield from batches
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    ahead: Batch | None = None
    for batch in batches:
        with torch.cuda.stream(copying):
            moved = batch.to(device)
        if ahead is not None:
            yield _arrived(ahead, copying)
        ahead = moved
    if ahead is not None:
        yield _arrived(ahead, copying)


def _arrived(batch: Batch, copying: torch.cuda.Stream) -> Batch:
    """The batch, once its copies are made; its memory is kept until the work on it is done."""
    working = torch.cuda.current_stream(copying.device)
    working.wait_stream(copying)
    for tensor in batch.tensors():
        tensor.record_stream(working)
    return batch
