"""The first download locks its hash; later ones must match, in every job and every clone."""

import argparse
import hashlib
import subprocess
import sys
import threading

import pytest

from pipeline.core.command import add_lock_flags
from pipeline.download.data_lock import ACCEPT, DataLock, fetch_locked, open_lock
from pipeline.download.http import RetryPolicy
from pipeline.sources.clip_files import Transferred
from tests.conftest import ROOT
from tests.download.fetching import CONTENT, SHA256, WHOLE
from tests.hostile_server import hostile_server

POLICY = RetryPolicy(timeout_seconds=1, attempts=1)
OTHER = CONTENT[::-1]
OTHER_SHA256 = hashlib.sha256(OTHER).hexdigest()


@pytest.fixture
def served():
    """A server, and what it serves, which a test may change."""
    content = {"/f": CONTENT}
    with hostile_server() as server:
        server.answers["/f"] = lambda handler, count: handler.ranged(content["/f"], '"v1"')
        yield server, content


def test_first_download_writes_the_lock_and_the_next_matches(served, tmp_path):
    server, _ = served
    path, address = tmp_path / "locks" / "x.csv", f"{server.base}/f"

    got = fetch_locked(address, tmp_path / "1", POLICY, DataLock(path))

    assert got == WHOLE
    assert path.read_text() == f"address,sha256,bytes\n{address},{SHA256},{len(CONTENT)}\n"
    before = path.stat().st_mtime_ns
    assert fetch_locked(address, tmp_path / "2", POLICY, DataLock(path)) == WHOLE
    assert path.stat().st_mtime_ns == before  # nothing new, so nobody need look again


def test_changed_file_is_an_error_that_names_both_hashes(served, tmp_path):
    server, content = served
    path, address = tmp_path / "x.csv", f"{server.base}/f"
    fetch_locked(address, tmp_path / "1", POLICY, DataLock(path))
    locked = path.read_bytes()
    content["/f"] = OTHER

    with pytest.raises(ValueError, match=ACCEPT) as caught:
        fetch_locked(address, tmp_path / "2", POLICY, DataLock(path))

    said = str(caught.value)
    assert said.startswith(f"{address}: sha256 {OTHER_SHA256} instead of {SHA256}, which {path}")
    assert path.read_bytes() == locked
    assert not (tmp_path / "2").exists()


def test_accepted_change_replaces_the_hash(served, tmp_path):
    server, content = served
    path, address = tmp_path / "x.csv", f"{server.base}/f"
    fetch_locked(address, tmp_path / "1", POLICY, DataLock(path))
    content["/f"] = OTHER

    fetch_locked(address, tmp_path / "2", POLICY, DataLock(path, accept_changed=True))

    assert DataLock(path).expected(address) == OTHER_SHA256


def test_file_that_is_there_is_fetched_again_only_when_it_differs(served, tmp_path):
    server, _ = served
    path, address = tmp_path / "x.csv", f"{server.base}/f"
    fetch_locked(address, tmp_path / "1", POLICY, DataLock(path))
    fetch_locked(address, tmp_path / "1", POLICY, DataLock(path))
    assert server.counts["/f"] == 1

    (tmp_path / "1").write_bytes(b"spoilt")
    assert fetch_locked(address, tmp_path / "1", POLICY, DataLock(path)) == WHOLE


@pytest.mark.parametrize("address", ["/data/own.csv", "{mirror}/f", "own.csv"])
def test_what_is_ours_is_not_locked(tmp_path, address):
    DataLock(tmp_path / "x.csv").add({address: WHOLE})

    assert list(tmp_path.iterdir()) == []


def test_pinned_file_needs_no_lock(served, tmp_path):
    server, _ = served
    lock = DataLock(tmp_path / "x.csv")

    fetch_locked(f"{server.base}/f", tmp_path / "1", POLICY, lock, sha256=SHA256)

    assert not (tmp_path / "x.csv").exists()


def test_two_jobs_cannot_lock_different_bytes(tmp_path):
    one, two = DataLock(tmp_path / "x.csv"), DataLock(tmp_path / "x.csv")
    one.add({"http://host/f": WHOLE})

    with pytest.raises(ValueError, match=f"sha256 {OTHER_SHA256} instead of {SHA256}"):
        two.add({"http://host/f": Transferred(len(OTHER), OTHER_SHA256)})


ADD = """
import sys
from pathlib import Path
from pipeline.download.data_lock import DataLock
from pipeline.sources.clip_files import Transferred
lock = DataLock(Path(sys.argv[1]))
for number in range(30):
    lock.add({f"http://host/{sys.argv[2]}/{number:02d}": Transferred(number, f"{number:064x}")})
"""


def test_jobs_at_once_lose_no_row_and_rows_are_sorted(tmp_path):
    path = tmp_path / "x.csv"
    jobs = [
        subprocess.Popen([sys.executable, "-c", ADD, str(path), str(job)], cwd=ROOT)
        for job in range(4)
    ]

    assert [job.wait() for job in jobs] == [0] * 4
    lines = path.read_text().splitlines()
    assert lines[1:] == [
        f"http://host/{job}/{number:02d},{number:064x},{number}"
        for job in range(4)
        for number in range(30)
    ]


FETCH = """
import logging, sys
from pathlib import Path
from pipeline.download.data_lock import UNLOCKED, fetch_locked
from pipeline.download.http import RetryPolicy
logging.basicConfig(stream=sys.stdout, level=logging.INFO)
fetch_locked(sys.argv[1], Path(sys.argv[2]), RetryPolicy(60, 1), UNLOCKED)
"""


def fetch_twice(server, target, begun, released):
    """Exit codes of two jobs that want one file, and the first line of the later one.

    The later one starts when the server has `begun`; it is `released` when that one has spoken.
    """
    command = [sys.executable, "-c", FETCH, f"{server.base}/f", str(target)]
    one = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    begun.wait()
    two = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert two.stdout is not None
    with two.stdout as said:
        line = said.readline()
        released.set()
        return [job.wait() for job in (one, two)], line


def test_jobs_that_want_one_file_at_once_fetch_it_once(tmp_path):
    begun, released = threading.Event(), threading.Event()

    def answer(handler, count):
        if count > 1:
            released.set()  # nobody waited
        handler.reply(200, CONTENT[:1000], announced=len(CONTENT))
        handler.wfile.flush()
        begun.set()
        released.wait()
        handler.wfile.write(CONTENT[1000:])

    with hostile_server() as server:
        server.answers["/f"] = answer
        codes, said = fetch_twice(server, tmp_path / "f", begun, released)

        assert codes == [0, 0]
        assert server.counts["/f"] == 1
    assert "f: another job is fetching it, waiting" in said
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_job_that_waited_for_one_that_failed_fetches_the_file_itself(tmp_path):
    begun, released = threading.Event(), threading.Event()

    def answer(handler, count):
        if count > 1:
            released.set()
            handler.ranged(CONTENT, '"v1"')
            return
        begun.set()
        released.wait()
        handler.reply(404)

    with hostile_server() as server:
        server.answers["/f"] = answer
        codes, said = fetch_twice(server, tmp_path / "f", begun, released)

    assert "waiting" in said
    assert codes == [1, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing\n", "expected the columns"),
        ("address,sha256,bytes\nhttp://x/f,abc,1\n", "line 2: found"),
        (f"address,sha256,bytes\nhttp://x/f,{'0' * 64},many\n", "line 2: found"),
    ],
)
def test_damaged_lock_is_named(tmp_path, text, expected):
    (tmp_path / "x.csv").write_text(text)

    with pytest.raises(ValueError, match=expected):
        DataLock(tmp_path / "x.csv")


def lock_from(arguments: list[str]) -> DataLock:
    flags = argparse.ArgumentParser()
    add_lock_flags(flags)
    args = flags.parse_args(arguments)
    return open_lock(args.lock, args.accept_changed)


@pytest.mark.parametrize(
    ("flags", "environment", "accepted"),
    [([], "", False), ([], "0", False), ([], "1", True), (["--accept-changed"], "", True)],
)
def test_changes_are_accepted_by_flag_or_environment(
    tmp_path, monkeypatch, flags, environment, accepted
):
    path = tmp_path / "x.csv"
    DataLock(path).add({"http://host/f": WHOLE})
    monkeypatch.setenv(ACCEPT, environment)

    lock = lock_from(["--lock", str(path), *flags])

    assert (lock.expected("http://host/f") is None) is accepted
