import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from pipeline.demo.mirror_server import serve
from pipeline.download.annotation_files import download_annotations
from pipeline.download.data_lock import DataLock
from pipeline.download.http import RetryPolicy
from pipeline.settings.sections import AnnotationFile

POLICY = RetryPolicy(timeout_seconds=1, attempts=1)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "list.txt").write_text("a.mp4\n")
    with zipfile.ZipFile(mirror / "ava.zip", "w") as archive:
        archive.writestr("ava/train.csv", "1\n")
        archive.writestr("ava/val.csv", "2\n")
    return mirror


def fetch(mirror: Path, *entries: dict[str, str]) -> dict[str, float]:
    files = [AnnotationFile(**entry) for entry in entries]
    with serve(mirror) as base:
        raw = mirror.parent / "out" / "raw"
        return download_annotations(files, raw, policy=POLICY, lock=DataLock(None), mirror=base)


def refusal(mirror: Path, *entries: dict[str, str]) -> str:
    """The one line for the user; nothing may appear under the folder's name."""
    with pytest.raises(ValueError, match="annotation_files") as caught:
        fetch(mirror, *entries)
    assert not (mirror.parent / "out" / "raw").exists()
    return str(caught.value)


def test_files_and_unpacked_archives_lie_flat_with_their_hashes(mirror):
    counts = fetch(
        mirror,
        {"url": "{mirror}/ava.zip"},
        {"url": "{mirror}/list.txt", "name": "names.txt"},
        {"url": str(mirror / "list.txt")},
    )

    raw = mirror.parent / "out" / "raw"
    published = sorted(path.name for path in raw.iterdir())
    assert published == ["SHA256SUMS", "list.txt", "names.txt", "train.csv", "val.csv"]
    check = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=raw, capture_output=True)
    assert (check.returncode, check.stdout.count(b": OK")) == (0, 4)
    assert (counts["fetched"], counts["files"]) == (3, 4)
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]


def test_sums_are_the_same_every_time(mirror):
    sums = mirror.parent / "out" / "raw" / "SHA256SUMS"
    fetch(mirror, {"url": "{mirror}/ava.zip"}, {"url": "{mirror}/list.txt"})
    first = sums.read_bytes()

    fetch(mirror, {"url": "{mirror}/list.txt"}, {"url": "{mirror}/ava.zip"})

    assert sums.read_bytes() == first


def test_pinned_hash_lets_only_that_file_in(mirror):
    digest = hashlib.sha256(b"a.mp4\n").hexdigest()
    fetch(mirror, {"url": "{mirror}/list.txt", "sha256": digest})
    (mirror / "list.txt").write_text("b.mp4\n")
    changed = hashlib.sha256(b"b.mp4\n").hexdigest()

    with pytest.raises(ValueError, match=f"sha256 {changed} instead of {digest}"):
        fetch(mirror, {"url": "{mirror}/list.txt", "sha256": digest})

    assert (mirror.parent / "out" / "raw" / "list.txt").read_text() == "a.mp4\n"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"url": "{mirror}/gone.csv"}, "{mirror}/gone.csv: HTTP 404"),
        ({"url": "/nowhere/gone.csv"}, "/nowhere/gone.csv: found no such file"),
        ({"url": "{mirror}/"}, "found name '', expected a file's"),
        ({"url": "{mirror}/a", "name": "SHA256SUMS"}, "found name 'SHA256SUMS'"),
        ({"url": "{mirror}/list.txt", "name": "list.zip"}, "list.zip: archive is damaged"),
        ({"url": "{mirror}/list.txt", "sha256": "0" * 64}, f"instead of {'0' * 64}"),
    ],
)
def test_what_cannot_be_had_is_named_in_one_line(mirror, entry, expected):
    line = refusal(mirror, entry)

    assert expected in line
    assert "\n" not in line


def test_local_file_is_checked_against_its_hash(mirror):
    entry = {"url": str(mirror / "list.txt"), "sha256": "0" * 64}

    assert f"instead of {'0' * 64}" in refusal(mirror, entry)


def test_one_name_for_two_files_is_refused(mirror):
    twice = {"url": "{mirror}/list.txt"}

    assert "found list.txt twice" in refusal(mirror, twice, twice)


def test_mirror_that_was_not_given_is_asked_for(tmp_path):
    with pytest.raises(ValueError, match="expected the flag --mirror"):
        download_annotations(
            [AnnotationFile(url="{mirror}/a.csv")],
            tmp_path / "raw",
            mirror=None,
            policy=POLICY,
            lock=DataLock(None),
        )
