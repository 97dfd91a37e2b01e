"""The processes that share one training: starting them, and what they exchange.

torchrun starts them, one per GPU, on one machine or on many. A process that was started alone is a
team of one, for which everything here is free.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from pipeline.core.command import REQUEUE, USER_MISTAKE, name_as_parent
from pipeline.training.gpus import leased_gpus

T = TypeVar("T")

TIMEOUT = timedelta(hours=2)  # the others wait this long while the first one scores


@dataclass(frozen=True)
class Processes:
    """One process's view of the team.

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

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Return the items that this process takes, of those that all share."""
        return items[self.rank :: self.size]

    def sum(self, values: Tensor) -> None:
        """Replace `values` by the sum over all processes."""
        if self.size > 1:
            dist.all_reduce(values)

    def gather(self, value: T) -> list[T]:
        """Return the value of each process by rank; an empty list but on the first one."""
        if self.size == 1:
            return [value]
        gathered: list[Any] | None = [None] * self.size if self.is_first else None
        dist.gather_object(value, gathered)
        return gathered or []

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what the first process makes, on all of them."""
        if self.size == 1:
            return make()
        box: list[Any] = [make() if self.is_first else None]
        dist.broadcast_object_list(box)
        return cast(T, box[0])


@contextmanager
def joined() -> Iterator[Processes]:
    """Yield the team that this process was started in."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Processes()
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(local_rank)
    dist.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield Processes(dist.get_rank(), size, local_rank)
    finally:
        dist.destroy_process_group()


def run_in_processes(
    module: str, count: int, argv: Sequence[str] | None, work: Callable[[Processes], None]
) -> None:
    """Call `work` in every process of a team.

    Args:
        module: the stage's own module, started anew in each process if there are several.
        count: processes to start here, each with a GPU where there are any.
        argv: the stage's flags, None for those of this command.
        work: called with the team.
    """
    if "WORLD_SIZE" in os.environ:  # torchrun has started this process and gave it its GPU
        with joined() as processes:
            work(processes)
        return
    with leased_gpus(count):
        if count == 1:
            work(Processes())
        else:
            _launch(module, count, sys.argv[1:] if argv is None else argv)


def _launch(module: str, count: int, argv: Sequence[str]) -> None:
    """Start torchrun's processes by its library.

    Its command ends with 1 whatever its processes ended with, which would hide that a training was
    only stopped and can go on.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    arguments = ["--standalone", f"--nproc-per-node={count}", "-m", module, *argv]
    name_as_parent()
    try:
        run(parse_args(arguments))  # type: ignore[no-untyped-call]
    except SignalException:  # its processes got the signal, too, and have kept their state
        sys.exit(REQUEUE)
    except ChildFailedError as error:
        _end_like({failure.exitcode for failure in error.failures.values()})


def _end_like(codes: set[int]) -> NoReturn:
    """End as the process that failed first did; the others were ended because of it."""
    for code in (REQUEUE, USER_MISTAKE):
        if code in codes:
            sys.exit(code)
    sys.exit(1)
