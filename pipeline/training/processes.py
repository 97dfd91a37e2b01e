"""The processes that share one training: who am I, and what do we all have together.

torchrun starts them, one per GPU, on one machine or on many; it tells each its place through the
environment. A process that was started alone is a team of one, for which all of this is free.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")

PATIENCE = timedelta(hours=2)  # the others wait this long while the first one scores


@dataclass(frozen=True)
class Processes:
    """The team.

    Attributes:
        rank: number of this process; 0 is the one that writes files.
        size: how many there are.
        local_rank: number of this process on its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, values: Tensor) -> None:
        """Replace `values` by the sum over all processes."""
        if self.size > 1:
            dist.all_reduce(values)

    def gather(self, value: T) -> list[T]:
        """What each process gave, in the order of their ranks; empty but on the first one."""
        if self.size == 1:
            return [value]
        found: list[Any] | None = [None] * self.size if self.is_first else None
        dist.gather_object(value, found)
        return found or []

    def first_makes(self, make: Callable[[], T]) -> T:
        """What the first process makes, on all of them."""
        if self.size == 1:
            return make()
        box: list[Any] = [make() if self.is_first else None]
        dist.broadcast_object_list(box)
        return cast(T, box[0])


@contextmanager
def joined() -> Iterator[Processes]:
    """The team that this process was started in."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Processes()
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(local_rank)
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Processes(dist.get_rank(), size, local_rank)
    finally:
        dist.destroy_process_group()
