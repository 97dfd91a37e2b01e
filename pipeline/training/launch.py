"""Run a stage in one process, in several on this machine, or in those that torchrun started.

torchrun itself ends with 1 whatever its processes ended with; that would hide that a training was
only stopped and can go on, so its library is called instead of its command.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from pipeline.core.command import REQUEUE, USER_MISTAKE
from pipeline.training.gpus import leased_gpus
from pipeline.training.processes import Processes, joined


def run_in_processes(
    module: str, count: int, argv: Sequence[str] | None, work: Callable[[Processes], None]
) -> None:
    """Do `work` in every process of the team.

    Args:
        module: the stage's own module, started anew in each process when there are several.
        count: processes to start here, each with a GPU where there are any.
        argv: the stage's flags, None for those of this command.
    """
    if "WORLD_SIZE" in os.environ:  # torchrun has started us, and gave us our GPU
        with joined() as processes:
            work(processes)
        return
    with leased_gpus(count):
        if count == 1:
            work(Processes())
        else:
            _launch(module, count, sys.argv[1:] if argv is None else argv)


def _launch(module: str, count: int, argv: Sequence[str]) -> None:
    arguments = ["--standalone", f"--nproc-per-node={count}", "-m", module, *argv]
    try:
        run(parse_args(arguments))  # type: ignore[no-untyped-call]
    except SignalException:  # its processes were told, too, and have kept their state
        sys.exit(REQUEUE)
    except ChildFailedError as error:
        _end_like({failure.exitcode for failure in error.failures.values()})


def _end_like(codes: set[int]) -> NoReturn:
    """End as the process that failed first did; the others were ended because of it."""
    for code in (REQUEUE, USER_MISTAKE):
        if code in codes:
            sys.exit(code)
    sys.exit(1)
