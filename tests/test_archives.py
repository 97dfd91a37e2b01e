import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from pipeline.archives import keep_members, unpack
from pipeline.http_reader import Patience, StaleError, TransferError, open_client, stream
from pipeline.tar_stream import DamagedArchiveError, TruncatedArchiveError
from tests.hostile_server import broken_once, hostile_server

VIDEO = bytes(range(251)) * 40
PATIENCE = Patience(timeout_seconds=1, attempts=2, first_wait_seconds=0.01)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def tar_gz(
    *members: tuple[tarfile.TarInfo | str, bytes], layout: int = tarfile.GNU_FORMAT
) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=layout) as archive:
        for info, content in members:
            info = member(info) if isinstance(info, str) else info
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def pieces(data: bytes, size: int = 1000) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def keep(data: bytes | Iterable[bytes], wanted: set[str], folder: Path, **limits: int):
    chunks = pieces(data) if isinstance(data, bytes) else data
    return list(
        keep_members(chunks, lambda name: name if name in wanted else None, folder, **limits)
    )


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_only_wanted_members_are_kept_whatever_their_folder(tmp_path):
    archive = tar_gz(("x/a.mp4", VIDEO), ("b.mp4", b"no"), ("./x/y/c.mp4", b"yes"))

    found = keep(archive, {"a.mp4", "c.mp4"}, tmp_path)

    assert files(tmp_path) == {"a.mp4": VIDEO, "c.mp4": b"yes"}
    assert [(each.name, each.bytes) for each in found] == [("a.mp4", len(VIDEO)), ("c.mp4", 3)]
    assert found[0].sha256 == hashlib.sha256(VIDEO).hexdigest()


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("name", ["-dash.mp4", "a 'quoted' \"name\".mp4", "ünï.mp4", "d" * 95])
def test_names_come_through_in_every_layout(tmp_path, layout, name):
    if name == "d" * 95:
        name = f"{name}/{name}/{name[:40]}.mp4" if layout != tarfile.USTAR_FORMAT else name
    last = name.rpartition("/")[2]

    keep(tar_gz(("other", b"0"), (name, VIDEO), ("z", b"1"), layout=layout), {last}, tmp_path)

    assert files(tmp_path) == {last: VIDEO}


def test_plain_tar_and_gzip_in_pieces_are_read_too(tmp_path):
    plain = gzip.decompress(tar_gz(("a.mp4", VIDEO)))
    middle = len(plain) // 2

    keep(plain, {"a.mp4"}, tmp_path / "plain")
    keep(gzip.compress(plain[:middle]) + gzip.compress(plain[middle:]), {"a.mp4"}, tmp_path / "two")
    keep(pieces(gzip.compress(plain), 1), {"a.mp4"}, tmp_path / "bytes")

    assert files(tmp_path) == {f"{kind}/a.mp4": VIDEO for kind in ("plain", "two", "bytes")}


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


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_truncated_archive_keeps_whole_members_and_says_so(tmp_path, share):
    noise = [hashlib.sha256(bytes([number])).digest() * 500 for number in range(8)]
    members = {f"{number}.mp4": content for number, content in enumerate(noise)}
    archive = tar_gz(*members.items())

    with pytest.raises(TruncatedArchiveError):
        keep(archive[: int(len(archive) * share)], set(members), tmp_path)

    kept = files(tmp_path)
    assert kept == {name: members[name] for name in kept}
    assert len(kept) < len(members)


def test_cut_off_plain_tar_is_not_taken_for_its_end(tmp_path):
    plain = gzip.decompress(tar_gz(("a.mp4", VIDEO)))

    with pytest.raises(TruncatedArchiveError, match="middle of a member"):
        keep(plain[:3000], {"a.mp4"}, tmp_path)

    assert files(tmp_path) == {}


def test_wrong_checksum_at_the_end_is_damage(tmp_path):
    archive = bytearray(tar_gz(("a.mp4", VIDEO)))
    archive[-8] ^= 1

    with pytest.raises(DamagedArchiveError, match="incorrect data check"):
        keep(bytes(archive), {"a.mp4"}, tmp_path)


def test_damaged_header_is_not_taken_for_the_end(tmp_path):
    plain = bytearray(gzip.decompress(tar_gz(("a.mp4", b"1"), ("b.mp4", b"2"))))
    plain[1024] ^= 1  # first letter of the second member's name

    with pytest.raises(DamagedArchiveError, match="bad checksum"):
        keep(gzip.compress(bytes(plain)), {"a.mp4", "b.mp4"}, tmp_path)


def test_gzip_in_gzip_is_no_archive(tmp_path):
    with pytest.raises((DamagedArchiveError, TruncatedArchiveError)):
        keep(gzip.compress(tar_gz(("a.mp4", VIDEO))), {"a.mp4"}, tmp_path)


def test_bomb_is_stopped_early(tmp_path):
    bomb = member("huge")
    bomb.size = 1 << 40
    start = bomb.tobuf(tarfile.GNU_FORMAT)
    zeros = gzip.compress(bytes(1 << 20))

    def chunks():
        yield gzip.compress(start)
        while True:
            yield zeros

    with pytest.raises(DamagedArchiveError, match="more than 200 times"):
        keep(chunks(), {"a.mp4"}, tmp_path)


def test_endless_name_is_not_read_into_memory(tmp_path):
    info = member("long", tarfile.GNUTYPE_LONGNAME)
    info.size = 1 << 33

    with pytest.raises(DamagedArchiveError, match="a name of 8589934592 bytes"):
        keep(info.tobuf(tarfile.GNU_FORMAT), {"a.mp4"}, tmp_path)


# --- over HTTP ------------------------------------------------------------------------------------


def keep_remote(answer, tmp_path: Path):
    with hostile_server() as server, open_client(PATIENCE) as client:
        server.answers["/a"] = answer
        keep(stream(client, f"{server.base}/a", PATIENCE), {"a.mp4", "b.mp4"}, tmp_path)
        return server.asked["/a"]


def test_broken_stream_goes_on_where_it_was(tmp_path):
    archive = tar_gz(("a.mp4", VIDEO), ("b.mp4", VIDEO[::-1]))

    asked = keep_remote(broken_once(archive, after=len(archive) // 2), tmp_path)

    assert files(tmp_path) == {"a.mp4": VIDEO, "b.mp4": VIDEO[::-1]}
    assert asked[1]["Range"] == f"bytes={len(archive) // 2}-"


def test_broken_stream_without_ranges_skips_what_it_had(tmp_path):
    archive = tar_gz(("a.mp4", VIDEO), ("b.mp4", VIDEO[::-1]))

    def answer(handler, count):
        size = len(archive) // 2 if count == 1 else len(archive)
        handler.reply(200, archive[:size], {"ETag": '"v1"'}, announced=len(archive))

    keep_remote(answer, tmp_path)

    assert files(tmp_path) == {"a.mp4": VIDEO, "b.mp4": VIDEO[::-1]}


def test_stream_that_changes_is_not_continued(tmp_path):
    archive = tar_gz(("a.mp4", VIDEO))

    def answer(handler, count):
        etag = f'"v{count}"'
        handler.reply(200, archive[: 100 * count], {"ETag": etag}, announced=len(archive))

    with pytest.raises(StaleError, match="changed while it was read"):
        keep_remote(answer, tmp_path)


def test_missing_archive_is_named(tmp_path):
    with pytest.raises(TransferError, match="HTTP 404"):
        keep_remote(lambda handler, count: handler.reply(404), tmp_path)


# --- annotation archives --------------------------------------------------------------------------


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
