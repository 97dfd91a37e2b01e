"""Batches from workers to the device, each made and copied while the one before it is used."""

import logging
import multiprocessing
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.training.batches import Batch, Batches, Key

logger = logging.getLogger(__name__)

LATE_SECONDS = 60.0  # without a batch: a worker is stopped, or the disk hangs
AHEAD = 2  # batches that each worker makes before they are needed


def load_batches(
    examples: Batches[Key], batches: Sequence[Sequence[Key]], workers: int, device: torch.device
) -> Iterator[Batch]:
    """Yield batches in their order, on the device.

    Args:
        examples: the dataset that makes them.
        batches: the keys of the examples of each.
        workers: processes that make batches; 0 makes them in this process.
        device: where the batches are used.
    """
    return _on_device(_make(examples, batches, workers, device.type == "cuda"), device)


def _make(
    examples: Batches[Key], batches: Sequence[Sequence[Key]], workers: int, pin_memory: bool
) -> Iterator[Batch]:
    if not batches:
        return
    # Beside those in the making, one is in use and another has just been handed over.
    num_blocks = min(workers * AHEAD + 2, len(batches)) if workers else 0
    pool = BufferPool(num_blocks, max(map(len, batches)) * examples.clip_bytes())
    loader: DataLoader[Any] = DataLoader(
        _InBlocks(examples, pool.blocks),
        batch_size=None,
        sampler=pool.with_blocks(batches),
        collate_fn=_unchanged,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        multiprocessing_context="spawn" if workers else None,
        pin_memory=pin_memory,
    )
    for block, batch in _watched(loader) if workers else loader:
        if pin_memory:  # it is a copy
            pool.release(block)
            yield batch
        else:
            yield batch._replace(clips=pool.owned(block, batch.clips))


class _InBlocks(Dataset[tuple[int | None, Batch]], Generic[Key]):
    """A dataset of batches, each made in the block that goes with its keys."""

    def __init__(self, examples: Batches[Key], blocks: Sequence[Tensor]) -> None:
        self._examples, self._blocks = examples, blocks

    def __getitem__(self, order: tuple[int | None, Sequence[Key]]) -> tuple[int | None, Batch]:
        block, keys = order
        return block, self._examples.make(keys, None if block is None else self._blocks[block])


def _watched(loader: "DataLoader[Any]") -> Iterator[Any]:
    """Yield what the workers make; say so when nothing has come for a minute."""
    batches = iter(loader)
    while True:
        late = threading.Timer(LATE_SECONDS, _say_late)
        late.daemon = True
        late.start()
        try:
            batch = next(batches)
        except StopIteration:
            return
        finally:
            late.cancel()
        yield batch


def _say_late() -> None:
    processes = ", ".join(str(each.pid) for each in multiprocessing.active_children())
    logger.warning(
        "no batch for %.0f s: a worker may be stopped, or the disk hangs (processes %s); "
        "`kill -CONT` goes on with a stopped one",
        LATE_SECONDS,
        processes,
    )


def _unchanged(batch: Any) -> Any:
    return batch


def _on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield the batches in their order, on the device.

    On a GPU the next batch is copied on a stream of its own, so that the card does not wait for it;
    the batch must lie in pinned memory.
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
    """Return the batch once its own copies are made; its memory lasts until the work is done."""
    working = torch.cuda.current_stream(device)
    working.wait_event(copied)  # not for the stream, which has the next batch in it already
    for tensor in batch.tensors():
        tensor.record_stream(working)
    return batch


class BufferPool:
    """Blocks of shared memory, each in use by one batch at a time.

    A batch in memory of its own has that memory mapped, faulted in page by page and unmapped again
    in two processes, which can cost half as much as decoding its frames.

    Pages are taken when they are first written to. Workers get the blocks themselves (`blocks`);
    this process, which uses the batches, decides which block a worker fills.

    Args:
        num_blocks: how many batches can be in shared memory at the same time.
        num_bytes: size of a block.
    """

    def __init__(self, num_blocks: int, num_bytes: int) -> None:
        self.blocks = [_shared(num_bytes) for _ in range(num_blocks)]
        self._free = list(range(num_blocks))

    def with_blocks(self, batches: Iterable[Any]) -> Iterator[tuple[int | None, Any]]:
        """Yield the keys of batches, each with the number of a block that is free by then.

        The number is None when all blocks are in use: a batch that is kept must not change.
        """
        for keys in batches:
            yield (self._free.pop() if self._free else None), keys

    def release(self, block: int | None) -> None:
        """Take back a block whose content is no longer needed."""
        if block is not None:
            self._free.append(block)

    def owned(self, block: int | None, tensor: Tensor) -> Tensor:
        """Return a tensor that releases its block once nothing shares its memory."""
        if block is None:
            return tensor
        owner = tensor.numpy()
        weakref.finalize(owner, self.release, block).atexit = False
        return torch.from_numpy(owner)  # keeps its owner as long as anything shares its memory


def _shared(num_bytes: int) -> Tensor:
    """Return [num_bytes] uint8, not filled: `Tensor.share_memory_` would copy undefined bytes.

    Raises:
        ValueError: there is not so much shared memory.
    """
    try:
        storage = torch.UntypedStorage._new_shared(num_bytes)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        if "shared memory" not in str(error):
            raise
        raise ValueError(
            f"workers: found less shared memory (/dev/shm) than their batches take, {num_bytes} "
            "bytes each; set workers: 0, or give the container more (docker run --shm-size=8g)"
        ) from None
    return torch.empty(0, dtype=torch.uint8).set_(storage)
