"""Clear the lock that a killed Snakemake leaves behind, and only that one."""

import fcntl
from pathlib import Path
from typing import IO


def clear_stale_lock(folder: Path) -> IO[str]:
    """Remove `folder`/locks/* unless another Snakemake is alive in this folder.

    Every Snakemake holds a shared file lock for as long as it lives; the kernel drops it even after
    `kill -9`. Whoever can get it exclusively is therefore alone, and locks it finds are stale.

    Args:
        folder: Snakemake's own folder, `.snakemake`.

    Returns: the open file that holds the shared lock; keep it.
    """
    folder.mkdir(exist_ok=True)
    alive = (folder / "alive").open("w")
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        for lock in (folder / "locks").glob("*"):
            lock.unlink()
    fcntl.flock(alive, fcntl.LOCK_SH)
    return alive
