"""A whole download job against a mirror that does everything wrong that we know of."""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.download.data_lock import DataLock
from pipeline.download.http import RetryPolicy
from pipeline.download.job_context import DownloadLimits
from pipeline.sources.clip_files import Transferred
from tests.conftest import ROOT
from tests.download_world import QUICK, World, video
from tests.hostile_answers import FILE
from tests.hostile_archives import ARCHIVES, ELSEWHERE, UP_AND_DOWN, clip, content_of
from tests.hostile_files import FILES
from tests.hostile_mirror import hostile_mirror, table

POLICY = RetryPolicy(timeout_seconds=1.5, attempts=4, first_wait_seconds=0.01)
LOCKED = Transferred(64_000, "0" * 64)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Path]:
    """The folder that absolute names lead to; it is there, so only the job keeps it empty."""
    ELSEWHERE.mkdir()
    yield ELSEWHERE
    shutil.rmtree(ELSEWHERE)


@pytest.fixture(scope="module")
def world(tmp_path_factory, elsewhere) -> World:
    """Files and archives have been fetched, in two passes; looked at from all sides below."""
    world = World(tmp_path_factory.mktemp("hostile") / "deep" / "project")
    world.limits = DownloadLimits(POLICY, 24, QUICK, 100)
    with hostile_mirror() as base, pytest.MonkeyPatch.context() as patch:
        patch.chdir(world.folder)
        DataLock(world.lock).add({f"{base}/locked.mp4": LOCKED})
        (world.raw / "names.txt").write_text("".join(f"{each.name}\n" for each in FILES))
        lines = "".join(f"{base}/{each.name}.tar.gz\n" for each in ARCHIVES)
        (world.raw / "paths.txt").write_text(lines)
        world.sources.append({"kind": "files", "list": "names.txt", "url": base})
        world.sources.append({"kind": "archives", "list": "paths.txt"})
        world.want(*[Path(each.name).stem for each in FILES])
        wanted = [Path(clip(each.name, which)).stem for each in ARCHIVES for which in "ab"]
        world.want(*wanted, shard="")
        messages: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
        logger = logging.getLogger("pipeline.download.archive_reading")
        logger.addHandler(handler)
        world.counts = {"00": world.download(), "00_2": world.download(number=1)}
        logger.removeHandler(handler)
        world.messages = messages
    return world


@pytest.mark.parametrize("behaviour", FILES, ids=lambda each: each.name)
def test_file_ends_right_or_in_a_row(world, behaviour):
    world.job = "00"
    row = world.rows[Path(behaviour.name).stem]

    if behaviour.outcome == FILE:
        content = (world.videos / behaviour.name).read_bytes()
        expected = video("good.mp4") if behaviour.name == "other-host.mp4" else behaviour.content
        assert content == expected
        assert (row["status"], row["reason"]) == ("ok", "")
        assert row["sha256"] == hashlib.sha256(expected).hexdigest()
    else:
        assert row["status"] == "missing"
        assert row["reason"].startswith(behaviour.outcome)
        assert not (world.videos / behaviour.name).exists()


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda each: each.name)
def test_archive_gives_what_can_be_relied_on_or_a_line(world, archive):
    world.job = "00_2"
    for which in "ab":
        name = clip(archive.name, which)
        row = world.rows.get(Path(name).stem)
        if which in archive.clips:
            assert (world.videos / name).read_bytes() == content_of(name)
            assert row["status"] == "ok"
        else:
            assert not (world.videos / name).exists()
            assert (row["reason"] if row else "") == archive.reasons.get(which, "")
    lines = [line for line in world.messages if f"/{archive.name}.tar.gz: " in line]
    assert len(lines) == bool(archive.trouble)
    assert all(f".tar.gz: {archive.trouble}" in line for line in lines)


def test_nothing_is_written_elsewhere_and_nothing_half_is_left(world):
    top = world.folder.parents[1]
    found = {path.relative_to(world.folder) for path in top.rglob("*") if path.is_file()}
    notes = {path for path in found if path.match("out/.*.partial/*")}
    assert {path.suffix for path in notes} <= {".jsonl", ".txt"}

    videos, tables = set(), {Path("out/00.csv"), Path("out/00_2.csv")}
    for world.job in ("00", "00_2"):
        videos |= {Path("out", world.job, name) for name in world.files}
    others = {Path("raw/names.txt"), Path("raw/paths.txt"), *tables}
    locks = {Path("locks/00.csv"), Path("locks/.00.csv.held")}
    assert found - videos - notes == others | locks
    assert not list(top.rglob("evil*"))


def test_names_that_lead_elsewhere_create_nothing_there(world, elsewhere):
    place = world.folder / "out" / "00_2"
    top = world.folder.parents[1]

    assert (place / UP_AND_DOWN).resolve() == elsewhere.resolve()
    assert list(elsewhere.iterdir()) == []
    for name in ("absolute", "traversal"):
        assert {path.parent for path in top.rglob(f"{name}-[ab].mp4")} == {place}


def test_counts_are_those_of_the_table(world):
    good_files = sum(each.outcome == FILE for each in FILES)
    good_clips = sum(len(each.clips) for each in ARCHIVES)

    assert len(FILES) + len(ARCHIVES) >= 40
    assert world.counts["00"]["clips"] == good_files
    assert world.counts["00_2"]["clips"] == good_clips
    assert world.counts["00_2"]["archives_broken"] == sum(bool(each.trouble) for each in ARCHIVES)


def test_table_of_the_documentation_is_this_list():
    assert table() in (ROOT / "docs" / "download.md").read_text(encoding="utf-8")
