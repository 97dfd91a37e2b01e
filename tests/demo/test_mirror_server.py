from pathlib import Path

import httpx
import pytest

from pipeline.demo.mirror_server import serve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    (folder / "host").mkdir(parents=True)
    (folder / "host" / "a b.mp4").write_bytes(b"0123456789")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    return folder


def get(folder: Path, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    with serve(folder) as base:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.request(method, base + path, headers=named, trust_env=False)


def test_file_comes_whole_with_length_and_validators(folder):
    answer = get(folder, "/host/a%20b.mp4")

    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["Content-Length"] == "10"
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["ETag"].startswith('"')
    assert answer.headers["Last-Modified"].endswith("GMT")


@pytest.mark.parametrize(
    ("asked", "body", "span"),
    [
        ("bytes=3-", b"3456789", "bytes 3-9/10"),
        ("bytes=3-4", b"34", "bytes 3-4/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
    ],
)
def test_range_gives_that_part(folder, asked, body, span):
    answer = get(folder, "/host/a%20b.mp4", Range=asked)

    assert (answer.status_code, answer.content) == (206, body)
    assert answer.headers["Content-Range"] == span


def test_range_behind_the_end_is_refused_with_the_size(folder):
    answer = get(folder, "/host/a%20b.mp4", Range="bytes=10-")

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */10"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "chars=1-2", "bytes=0-1,4-5"])
def test_range_that_makes_no_sense_is_ignored(folder, asked):
    assert get(folder, "/host/a%20b.mp4", Range=asked).status_code == 200


def test_range_of_another_version_gives_the_whole_file(folder):
    etag = get(folder, "/host/a%20b.mp4").headers["ETag"]

    same = get(folder, "/host/a%20b.mp4", Range="bytes=5-", If_Range=etag)
    other = get(folder, "/host/a%20b.mp4", Range="bytes=5-", If_Range='"other"')

    assert (same.status_code, same.content) == (206, b"56789")
    assert (other.status_code, other.content) == (200, b"0123456789")


def test_head_gives_headers_only(folder):
    answer = get(folder, "/host/a%20b.mp4", method="HEAD")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "10"


@pytest.mark.parametrize(
    "path", ["/../secret", "/host/%2e%2e/%2e%2e/secret", "/link", "/host", "/%00", "/%ff", "/none"]
)
def test_nothing_outside_the_folder_is_served(folder, path):
    answer = get(folder, path)

    assert answer.status_code == 404
    assert b"secret" not in answer.content


def test_server_says_nothing_on_stderr(folder, capfd):
    get(folder, "/none")

    assert capfd.readouterr().err == ""


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: found no folder"), serve(tmp_path / "nowhere"):
        pass
