"""Bound the memory of a step that reads files from elsewhere."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATM = Path("/proc/self/statm")
_DATA = 5  # of its fields: pages of data and stack, which RLIMIT_DATA counts


@contextmanager
def memory_limited(more_bytes: int) -> Iterator[None]:
    """Let the block take so much more memory than there is now; then MemoryError is raised.

    Where Linux does not say how much there is, nothing is limited.
    """
    if not _STATM.exists():
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = int(_STATM.read_text().split()[_DATA]) * resource.getpagesize() + more_bytes
    if before != resource.RLIM_INFINITY:
        most = min(most, before)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
