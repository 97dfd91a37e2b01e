"""What a job expects still to come, from what the hosts have said so far."""

import threading

import httpx
import pytest

from pipeline.core.progress import Progress
from pipeline.download.data_lock import UNLOCKED
from pipeline.download.http import Opening
from pipeline.download.job_context import DownloadLimits, FileProgress, JobContext
from pipeline.download.journal import Journal
from pipeline.download.member_cutting import MemberCutter
from pipeline.download.transfer import StoppedError
from tests.download_world import POLICY, QUICK


class Expected(Progress):
    """Notes every estimate."""

    def __init__(self) -> None:
        super().__init__(None, "download", "B")
        self.totals: list[float] = []

    def expect(self, total: float) -> None:
        self.totals.append(total)


def job_of(num_files, folder, stopped=None):
    progress = Expected()
    limits = DownloadLimits(POLICY, 2, QUICK, 100)
    stopped = stopped or threading.Event()
    client = httpx.Client()
    journal = Journal(folder)
    cutter = MemberCutter({})
    return JobContext(client, limits, UNLOCKED, journal, None, cutter, progress, num_files, stopped)


def test_files_nobody_has_announced_are_taken_to_be_like_the_others(tmp_path):
    job = job_of(4, tmp_path)
    one, two = FileProgress(job), FileProgress(job)

    one.announced(100)
    two.announced(300)
    one.received(60)
    one.announced(140)  # broke off after 60 and is longer than it said: 200 in all
    two.received(10)
    two.ended()  # no more of it comes

    # 100 each; (100 + 300) / 2 each; (200 + 300) / 2 each; (200 + 10) / 2 each.
    assert job._progress.totals == [400, 800, 1000, 420]
    assert job._progress.done == 70


def test_unannounced_size_says_nothing(tmp_path):
    job = job_of(2, tmp_path)

    FileProgress(job).opened(Opening(iter([]), 0, None, None))

    assert job._progress.totals == []


def test_nothing_more_is_received_when_the_job_is_to_stop(tmp_path):
    stopped = threading.Event()
    job = job_of(1, tmp_path, stopped)
    stopped.set()

    with pytest.raises(StoppedError):
        FileProgress(job).received(1)
