"""Batches from workers to the device, each on its way while the one before it is worked on."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.training.batches import Batch, Batches, Key
from pipeline.training.lent_memory import LentMemory

AHEAD = 2  # batches that each worker makes before they are asked for


def prepared(
    examples: Batches[Key], batches: Sequence[Sequence[Key]], workers: int, device: torch.device
) -> Iterator[Batch]:
    """Batches in their order, on the device.

    Args:
        examples: give a batch for the keys of its examples.
        batches: the keys of each.
        workers: processes that make batches; 0 makes them here.
    """
    return on_device(_made(examples, batches, workers, device.type == "cuda"), device)


def _made(
    examples: Batches[Key], batches: Sequence[Sequence[Key]], workers: int, pin_memory: bool
) -> Iterator[Batch]:
    if not batches:
        return
    # Beside those under way, one is in use and another just handed over.
    num_blocks = min(workers * AHEAD + 2, len(batches)) if workers else 0
    memory = LentMemory(num_blocks, max(map(len, batches)) * examples.clip_bytes())
    loader: DataLoader[Any] = DataLoader(
        _InBlocks(examples, memory.blocks),
        batch_size=None,
        sampler=memory.with_blocks(batches),
        collate_fn=_as_made,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        multiprocessing_context="spawn" if workers else None,
        pin_memory=pin_memory,
    )
    for block, batch in loader:
        if pin_memory:  # it is a copy
            memory.give_back(block)
            yield batch
        else:
            yield batch._replace(clips=memory.lent(block, batch.clips))


class _InBlocks(Dataset[tuple[int | None, Batch]], Generic[Key]):
    """Examples by the batch, each made in the block that goes with its keys."""

    def __init__(self, examples: Batches[Key], blocks: Sequence[Tensor]) -> None:
        self._examples, self._blocks = examples, blocks

    def __getitem__(self, order: tuple[int | None, Sequence[Key]]) -> tuple[int | None, Batch]:
        block, keys = order
        return block, self._examples.made(keys, None if block is None else self._blocks[block])


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
