"""Clear the lock that a killed Snakemake leaves behind, and only that one."""

from pathlib import Path

from filelock import ReadWriteLock, Timeout


def clear_stale_lock(folder: Path) -> ReadWriteLock:
    """Remove `folder`/locks/* unless another Snakemake is alive in this folder.

    Every Snakemake holds a shared lock for as long as it lives; the system drops it even after
    `kill -9`. Whoever can get it exclusively is therefore alone, and locks it finds are stale.

    Args:
        folder: Snakemake's own folder, `.snakemake`.

    Returns: the lock, held as one of many; keep it.
    """
    folder.mkdir(exist_ok=True)
    alive = ReadWriteLock(folder / "alive.db", is_singleton=False)
    try:
        with alive.write_lock(blocking=False):
            for lock in (folder / "locks").glob("*"):
                lock.unlink()
    except Timeout:
        pass
    alive.acquire_read()
    return alive
