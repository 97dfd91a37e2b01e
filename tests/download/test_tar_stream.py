import gzip
import hashlib
import random
import tarfile
from pathlib import Path

import pytest

from pipeline.download.answers import StaleError, TransferError
from pipeline.download.http import RetryPolicy, open_client
from pipeline.download.tar_stream import (
    BLOCK_BYTES,
    DamagedArchiveError,
    TruncatedArchiveError,
)
from pipeline.download.transfer import stream
from tests.hostile_server import broken_once, hostile_server
from tests.small_archives import files, keep, member, pieces, tar_gz

VIDEO = bytes(range(251)) * 40
POLICY = RetryPolicy(timeout_seconds=1, attempts=2, first_wait_seconds=0.01)


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("name", ["-dash.mp4", "a 'quoted' \"name\".mp4", "ünï.mp4", "d" * 95])
def test_names_come_through_in_every_layout(tmp_path, layout, name):
    if name == "d" * 95:
        name = f"{name}/{name}/{name[:40]}.mp4" if layout != tarfile.USTAR_FORMAT else name
    last = name.rpartition("/")[2]

    members = ("other", b"0"), (name, VIDEO), ("z", b"1")
    keep(tar_gz(*members, layout=layout), {last, "z"}, tmp_path)

    assert files(tmp_path) == {last: VIDEO, "z": b"1"}


@pytest.mark.parametrize("notes", [b"LK", b"KL"])
def test_a_long_name_is_kept_beside_that_of_a_links_target(tmp_path, notes):
    name = "d" * 120 + ".mp4"
    headers = {
        ord("L"): (member("long", tarfile.GNUTYPE_LONGNAME), name.encode() + b"\0"),
        ord("K"): (member("long", tarfile.GNUTYPE_LONGLINK), b"t" * 120 + b"\0"),
    }
    archive = tar_gz(*(headers[kind] for kind in notes), (name[:100], VIDEO), ("z", b"1"))

    keep(archive, {name, "z"}, tmp_path)

    assert files(tmp_path) == {name: VIDEO, "z": b"1"}


def test_plain_tar_and_gzip_in_pieces_are_read_too(tmp_path):
    plain = gzip.decompress(tar_gz(("a.mp4", VIDEO)))
    middle = len(plain) // 2

    keep(plain, {"a.mp4"}, tmp_path / "plain")
    keep(gzip.compress(plain[:middle]) + gzip.compress(plain[middle:]), {"a.mp4"}, tmp_path / "two")
    keep(pieces(gzip.compress(plain), 1), {"a.mp4"}, tmp_path / "bytes")

    assert files(tmp_path) == {f"{kind}/a.mp4": VIDEO for kind in ("plain", "two", "bytes")}


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

    with pytest.raises(DamagedArchiveError, match="CRC check failed"):
        keep(bytes(archive), {"a.mp4"}, tmp_path)


def test_checksum_behind_much_padding_is_read_too(tmp_path):
    plain = gzip.decompress(tar_gz(("a.mp4", VIDEO)))
    archive = bytearray(gzip.compress(plain + bytes(4 * BLOCK_BYTES)))
    keep(bytes(archive), {"a.mp4"}, tmp_path)
    archive[-8] ^= 1

    with pytest.raises(DamagedArchiveError, match="CRC check failed"):
        keep(bytes(archive), {"a.mp4"}, tmp_path)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_zeros_behind_the_packed_stream_are_padding(tmp_path, size):
    keep(pieces(tar_gz(("a.mp4", VIDEO)) + bytes(700), size), {"a.mp4"}, tmp_path)

    assert files(tmp_path) == {"a.mp4": VIDEO}


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


def test_large_archives_may_pack_well(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.download.tar_stream.RATIO_FROM_BYTES", 1000)
    archive = tar_gz(("a.mp4", VIDEO))
    assert 10 < len(VIDEO) / len(archive) < 200

    keep(archive, {"a.mp4"}, tmp_path)

    assert files(tmp_path) == {"a.mp4": VIDEO}


def test_endless_name_is_not_read_into_memory(tmp_path):
    info = member("long", tarfile.GNUTYPE_LONGNAME)
    info.size = 1 << 33

    with pytest.raises(DamagedArchiveError, match="a name of 8589934592 bytes"):
        keep(info.tobuf(tarfile.GNU_FORMAT), {"a.mp4"}, tmp_path)


@pytest.mark.parametrize(
    "record", [b"5011 size=" + b"9" * 5000 + b"\n", b"9" * 5000 + b" size=1\n"]
)
def test_numbers_of_5000_digits_are_damage(tmp_path, record):
    info = member("pax", tarfile.XHDTYPE)
    info.size = len(record)

    with pytest.raises(DamagedArchiveError, match="archive is damaged"):
        keep(info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(5120, b"\0"), {"a"}, tmp_path)


def keep_remote(answer, tmp_path: Path):
    with hostile_server() as server, open_client(POLICY) as client:
        server.answers["/a"] = answer
        keep(stream(client, f"{server.base}/a", POLICY), {"a.mp4", "b.mp4"}, tmp_path)
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


@pytest.mark.parametrize("takes_ranges", [True, False])
@pytest.mark.parametrize("middle", [0, 1_234_567])
def test_long_stream_that_breaks_off_comes_whole(takes_ranges, middle):
    content = random.Random(1).randbytes(2_000_000)

    def answer(handler, count):
        if count == 1:
            handler.reply(200, content[:middle], {"ETag": '"v1"'}, announced=len(content))
        elif takes_ranges and "Range" in handler.headers:  # does not say of which version
            span = f"bytes {middle}-{len(content) - 1}/{len(content)}"
            handler.reply(206, content[middle:], {"Content-Range": span})
        else:
            handler.reply(200, content, {"ETag": '"v1"'})

    with hostile_server() as server, open_client(POLICY) as client:
        server.answers["/f"] = answer
        came = b"".join(stream(client, f"{server.base}/f", POLICY))

        assert came == content
        assert server.counts["/f"] == 2


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
