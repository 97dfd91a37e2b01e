"""Shared memory for the batches of workers, used over and over.

A batch that gets memory of its own from a worker has it mapped, faulted in page by page and
unmapped again on both sides, which can cost half as much as decoding what lies in it.
"""

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor


class LentMemory:
    """Blocks of shared memory, each lent to one batch at a time.

    Pages are taken when they are first written to. Workers get the blocks themselves
    (`blocks`); who may fill which is settled here, where the batches are used.
    """

    def __init__(self, num_blocks: int, num_bytes: int) -> None:
        self.blocks = [_shared(num_bytes) for _ in range(num_blocks)]
        self._free = list(range(num_blocks))

    def with_blocks(self, batches: Iterable[Any]) -> Iterator[tuple[int | None, Any]]:
        """The keys of batches as they are asked for, each with a block that is free by then.

        None when all are lent: whoever keeps batches must not see them change.
        """
        for keys in batches:
            yield (self._free.pop() if self._free else None), keys

    def give_back(self, block: int | None) -> None:
        """A block whose content is no longer needed."""
        if block is not None:
            self._free.append(block)

    def lent(self, block: int | None, tensor: Tensor) -> Tensor:
        """A tensor that lies in a block, which is given back once nothing shares its memory."""
        if block is None:
            return tensor
        owner = tensor.numpy()
        weakref.finalize(owner, self.give_back, block).atexit = False
        return torch.from_numpy(owner)  # keeps its owner as long as anything shares its memory


def _shared(num_bytes: int) -> Tensor:
    """[num_bytes] uint8, not filled: `Tensor.share_memory_` would copy what is not there yet."""
    storage = torch.UntypedStorage._new_shared(num_bytes)  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=torch.uint8).set_(storage)
