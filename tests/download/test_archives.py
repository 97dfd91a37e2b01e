import hashlib
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.download.archives import unpack
from pipeline.download.tar_stream import DamagedArchiveError
from tests.small_archives import files, keep, member, tar_gz

VIDEO = bytes(range(251)) * 40


def test_only_wanted_members_are_kept_whatever_their_folder(tmp_path):
    archive = tar_gz(("x/a.mp4", VIDEO), ("b.mp4", b"no"), ("./x/y/c.mp4", b"yes"))

    found = keep(archive, {"a.mp4", "c.mp4"}, tmp_path)

    assert files(tmp_path) == {"a.mp4": VIDEO, "c.mp4": b"yes"}
    assert [(each.name, each.bytes) for each in found] == [("a.mp4", len(VIDEO)), ("c.mp4", 3)]
    assert found[0].sha256 == hashlib.sha256(VIDEO).hexdigest()


@pytest.mark.parametrize("name", ["../../a.mp4", "/a.mp4", "..\\a.mp4", "x/../../../a.mp4"])
def test_nothing_is_written_outside_the_folder(tmp_path, name):
    keep(tar_gz((name, b"video")), {"a.mp4"}, tmp_path / "in" / "folder")

    assert files(tmp_path) == {"in/folder/a.mp4": b"video"}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_links_devices_and_folders_are_refused_and_the_rest_is_read(tmp_path, kind):
    archive = tar_gz((member("a.mp4", kind, "/etc/passwd"), b""), ("b.mp4", b"video"))

    first, _ = keep(archive, {"a.mp4", "b.mp4"}, tmp_path)

    assert first.reason == "not a regular file in its archive"
    assert files(tmp_path) == {"b.mp4": b"video"}


def test_first_of_two_members_with_one_name_counts(tmp_path):
    keep(tar_gz(("x/a.mp4", b"first"), ("y/a.mp4", b"second")), {"a.mp4"}, tmp_path)

    assert files(tmp_path) == {"a.mp4": b"first"}


def test_member_that_is_too_long_or_empty_is_refused(tmp_path):
    archive = tar_gz(("a.mp4", b"12345"), ("b.mp4", b""), ("c.mp4", b"1234"))

    found = keep(archive, {"a.mp4", "b.mp4", "c.mp4"}, tmp_path, max_member_bytes=4)

    assert [each.reason for each in found] == [
        "5 bytes in its archive, more than 4",
        "empty in its archive",
        "",
    ]


def zipped(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


HOSTILE = {"x/a.csv": b"1", "../../b.csv": b"2", "/c.csv": b"3", ".hidden": b"4", "x/": b""}


def test_annotation_zip_comes_out_flat(tmp_path, folder):
    names = unpack(zipped(tmp_path / "a.zip", HOSTILE), folder)

    assert names == ["a.csv", "b.csv", "c.csv"]
    assert files(folder) == {"a.csv": b"1", "b.csv": b"2", "c.csv": b"3"}
    assert not (tmp_path.parent / "b.csv").exists()


def test_annotation_tar_comes_out_flat(tmp_path, folder):
    link = member("d.csv", tarfile.SYMTYPE, "/etc/passwd")
    (tmp_path / "a.tar.gz").write_bytes(tar_gz(*list(HOSTILE.items())[:4], (link, b"")))

    unpack(tmp_path / "a.tar.gz", folder)

    assert files(folder) == {"a.csv": b"1", "b.csv": b"2", "c.csv": b"3"}


def test_link_in_a_zip_is_left_out(tmp_path, folder):
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.csv", "1")

    unpack(tmp_path / "a.zip", folder)

    assert files(folder) == {"a.csv": b"1"}


def test_first_archive_with_a_name_wins(tmp_path, folder):
    unpack(zipped(tmp_path / "1.zip", {"a.csv": b"first"}), folder)
    unpack(zipped(tmp_path / "2.zip", {"a.csv": b"second", "b.csv": b"new"}), folder)

    assert files(folder) == {"a.csv": b"first", "b.csv": b"new"}


def test_annotation_bomb_is_refused_before_it_is_unpacked(tmp_path, folder):
    archive = zipped(tmp_path / "a.zip", {"a.csv": bytes(600), "b.csv": bytes(600)})

    with pytest.raises(DamagedArchiveError, match="unpacks to more than 1000 bytes"):
        unpack(archive, folder, max_bytes=1000)

    assert set(files(folder)) == {"a.csv"}


def test_damaged_zip_is_named(tmp_path, folder):
    archive = zipped(tmp_path / "a.zip", {"a.csv": hashlib.sha256(b"").digest() * 9})
    data = bytearray(archive.read_bytes())
    data[60] ^= 0xFF  # inside the compressed data
    archive.write_bytes(bytes(data))

    with pytest.raises(DamagedArchiveError, match="archive is damaged"):
        unpack(archive, folder)

    assert files(folder) == {}


def test_what_is_no_zip_is_named(tmp_path, folder):
    (tmp_path / "a.zip").write_bytes(b"<html>")

    with pytest.raises(DamagedArchiveError, match="not a zip file"):
        unpack(tmp_path / "a.zip", folder)
