"""Batches from workers to the device, each on its way while the one before it is worked on."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from pipeline.training.batches import Batch


def prepared(
    examples: Dataset[Batch],
    batches: Iterable[Sequence[Any]],
    workers: int,
    device: torch.device,
) -> Iterator[Batch]:
    """Batches in their order, on the device.

    Args:
        examples: give a batch for the keys of its examples.
        batches: the keys of each.
        workers: processes that make batches; 0 makes them here.
    """
    loader: DataLoader[Any] = DataLoader(
        examples,
        batch_size=None,
        sampler=batches,
        collate_fn=_as_made,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
        pin_memory=device.type == "cuda",
    )
    return on_device(loader, device)


def _as_made(batch: Any) -> Any:
    return batch


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches in their order, on the device.

    On a GPU the next batch is copied on a stream of its own, so that the card does not wait for it;
    it must lie in pinned memory.
    """
    if device.type != "cuda":
        yield from batches
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    ahead: tuple[Batch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(copying):
            moved = batch.to(device), copying.record_event()
        if ahead is not None:
            yield _arrived(*ahead, device)
        ahead = moved
    if ahead is not None:
        yield _arrived(*ahead, device)


def _arrived(batch: Batch, copied: torch.cuda.Event, device: torch.device) -> Batch:
    """The batch, once its own copies are made; its memory is kept until the work on it is done."""
    working = torch.cuda.current_stream(device)
    working.wait_event(copied)  # not for the stream, which has the next batch in it already
    for tensor in batch.tensors():
        tensor.record_stream(working)
    return batch
