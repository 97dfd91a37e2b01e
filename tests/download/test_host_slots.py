"""Connections to one host, counted over threads and processes."""

import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from pipeline.download.host_slots import HostSlots, StoppedError
from pipeline.download.http_client import Patience, open_client
from pipeline.download.http_reader import stream
from tests.conftest import ROOT
from tests.hostile_server import hostile_server

HOST, OTHER = httpx.URL("https://host/b"), httpx.URL("http://other/a")


def test_no_more_connections_than_slots_are_open_at_once(tmp_path):
    open_now, most, lock = 0, 0, threading.Lock()

    def answer(handler, count):
        nonlocal open_now, most
        with lock:
            open_now += 1
            most = max(most, open_now)
        time.sleep(0.05)
        with lock:
            open_now -= 1
        handler.reply(200, b"x")

    patience = Patience(timeout_seconds=2, attempts=1)
    with hostile_server() as server:
        server.answers["/f"] = answer
        with (
            open_client(patience, 8, HostSlots(2, folder=tmp_path)) as client,
            ThreadPoolExecutor(8) as pool,
        ):
            list(pool.map(lambda _: list(stream(client, f"{server.base}/f", patience)), range(8)))

    assert most == 2
    assert server.counts["/f"] == 8


def test_slot_of_another_process_counts_and_ends_with_it(tmp_path):
    hold = (
        "import sys, time\nimport httpx\nfrom pathlib import Path\n"
        "from pipeline.download.host_slots import HostSlots\n"
        "with HostSlots(1, folder=Path(sys.argv[1])).slot(httpx.URL('http://host/a')):\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", hold, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        stopped = threading.Event()
        threading.Timer(0.3, stopped.set).start()
        with pytest.raises(StoppedError), HostSlots(1, stopped, tmp_path).slot(HOST):
            pass
        with HostSlots(1, folder=tmp_path).slot(OTHER):
            pass
        other.kill()
        other.wait()

    with HostSlots(1, folder=tmp_path).slot(HOST):
        held = sorted(path.stat().st_size for path in tmp_path.iterdir())

    assert held == [0, 0]


def test_the_folder_is_made_for_the_user_alone(tmp_path):
    folder = tmp_path / "not" / "there"

    for _ in range(2):
        with HostSlots(1, folder=folder).slot(HOST):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_own_mirror_needs_no_slot(tmp_path):
    slots = HostSlots(1, folder=tmp_path, own="http://127.0.0.1:8000")

    with (
        slots.slot(httpx.URL("http://127.0.0.1:8000/a")),
        slots.slot(httpx.URL("http://127.0.0.1:8000/b")),
    ):
        assert list(tmp_path.iterdir()) == []


def test_redirect_waits_for_a_slot_of_the_host_it_leads_to(tmp_path):
    patience = Patience(timeout_seconds=5, attempts=1)
    slots = HostSlots(1, folder=tmp_path)
    came: list[bytes] = []
    with hostile_server() as server, open_client(patience, 2, slots) as client:
        port = httpx.URL(server.base).port
        there = httpx.URL(f"http://localhost:{port}/there")
        redirect = {"Location": str(there)}
        server.answers["/here"] = lambda handler, count: handler.reply(302, b"", redirect)
        server.answers["/there"] = lambda handler, count: handler.reply(200, b"x")
        here = f"{server.base}/here"
        reader = threading.Thread(target=lambda: came.extend(stream(client, here, patience)))
        with slots.slot(there):
            reader.start()
            while not server.counts["/here"]:
                time.sleep(0.01)
            with slots.slot(httpx.URL(here)):  # given back meanwhile
                time.sleep(0.5)
            assert server.counts["/there"] == 0
        reader.join(20)

    assert came == [b"x"]
