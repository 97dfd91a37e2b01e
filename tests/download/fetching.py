"""What the tests of transfers share: a file to fetch, and how it is fetched or refused."""

import hashlib
from pathlib import Path

import pytest

from pipeline.download.answers import TransferError
from pipeline.download.http import RetryPolicy, open_client
from pipeline.download.transfer import transfer
from pipeline.sources.clip_files import Transferred
from tests.hostile_server import Hostile

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WHOLE = Transferred(len(CONTENT), SHA256)


def fetch_with(
    policy: RetryPolicy, server: Hostile, target: Path, path: str = "/f", sha256: str | None = None
) -> Transferred:
    with open_client(policy) as client:
        return transfer(client, server.base + path, target, policy, sha256=sha256)


def reason_with(
    policy: RetryPolicy, server: Hostile, target: Path, path: str = "/f", sha256: str | None = None
) -> str:
    """Why the transfer fails; whatever fails must leave nothing under the file's name."""
    with pytest.raises(TransferError) as caught:
        fetch_with(policy, server, target, path, sha256)
    assert not target.exists()
    return caught.value.reason
