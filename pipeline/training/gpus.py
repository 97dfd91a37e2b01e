"""Jobs side by side on one machine each take GPUs that no other job of the same user has."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import torch
from filelock import FileLock, Timeout

from pipeline.core.own_files import own_temporary_folder

logger = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
RETRY_SECONDS = 1.0


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, named as in CUDA_VISIBLE_DEVICES."""
    if VISIBLE in os.environ:
        return [name.strip() for name in os.environ[VISIBLE].split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]


@contextmanager
def leased_gpus(count: int) -> Iterator[None]:
    """Show this process and its children `count` free GPUs; wait until there are as many.

    A lease is a file lock, which the system releases when the process ends, however it ends.
    Without any GPU nothing happens.

    Raises:
        ValueError: the machine has fewer.
    """
    names = visible_gpus()
    if not names:
        yield
        return
    if len(names) < count:
        raise ValueError(f"found {len(names)} GPUs, expected {count}, one for each process")
    before = os.environ.get(VISIBLE)
    with ExitStack() as leases:
        os.environ[VISIBLE] = ",".join(_lease(names, count, leases))
        try:
            yield
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before


def _lease(names: list[str], count: int, leases: ExitStack) -> list[str]:
    """Return `count` of the GPUs, leased until `leases` closes."""
    folder = own_temporary_folder() / "gpus"
    folder.mkdir(exist_ok=True)
    taken: list[str] = []
    waiting = False
    while True:
        for name in names:
            if name not in taken and len(taken) < count:
                with suppress(Timeout):
                    leases.enter_context(FileLock(folder / f"{name}.lock", timeout=0))
                    taken.append(name)
        if len(taken) == count:
            return taken
        if not waiting:
            logger.info("waiting for a free GPU among %s", ",".join(names))
        waiting = True
        time.sleep(RETRY_SECONDS)
