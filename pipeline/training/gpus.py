"""Jobs side by side on one machine each take GPUs that no other job of the same user has."""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

logger = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
LOOK_AGAIN_SECONDS = 1.0


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES has them."""
    if VISIBLE in os.environ:
        return [name for name in os.environ[VISIBLE].split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]


@contextmanager
def leased_gpus(count: int) -> Iterator[None]:
    """Show this process and its children `count` GPUs that are free, waiting until there are.

    A lease is a lock on a file, which the system takes back when the process ends, however it ends.
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
    with ExitStack() as stack:
        taken: list[str] = []
        waits = False
        while len(taken) < count:
            free = (name for name in names if name not in taken)
            name = next((each for each in free if _lock(each, stack)), None)
            if name is not None:
                taken.append(name)
                continue
            if not waits:
                logger.info("waiting for a free GPU among %s", ",".join(names))
            waits = True
            time.sleep(LOOK_AGAIN_SECONDS)
        os.environ[VISIBLE] = ",".join(taken)
        try:
            yield
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before


def _lock(name: str, stack: ExitStack) -> bool:
    """Whether the GPU was free and is ours until the stack closes."""
    path = Path(tempfile.gettempdir()) / f"ava-gpu-{os.getuid()}-{name.strip()}.lock"
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    stack.callback(file.close)
    return True
