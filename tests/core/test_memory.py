"""A step takes no more memory than it is given."""

import resource

import pytest

from pipeline.core.memory import memory_limited


def test_more_memory_than_allowed_is_an_error_and_not_taken() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)

    with memory_limited(64 << 20):
        assert len(bytes(16 << 20)) == 16 << 20
        with pytest.raises(MemoryError):
            bytes(256 << 20)

    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytes(256 << 20)) == 256 << 20
