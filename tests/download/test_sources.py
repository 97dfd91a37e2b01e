"""Which file of a list, a folder or an archive is a clip's, and where the clip starts in it."""

import os
import unicodedata
from pathlib import Path

import pytest

from pipeline.sources.clip_files import WantedClip
from pipeline.sources.files import FileList, FilesSource
from pipeline.sources.folder import FolderSource, LocalFolder
from pipeline.sources.source import ClipSource
from tests.download_world import World, video
from tests.hostile_server import hostile_server
from tests.small_archives import tar_gz

CLIP = WantedClip("a_b_000001_000011", "a_b", 1.0, 11.0, 0.0)
SPAN = WantedClip("abc", "abc", 900.0, 1800.0, 900.0)  # of a subset with span_seconds


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def folder(path: Path, *names: str, trimmed: bool = False) -> LocalFolder:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(name.encode())
    return FolderSource(path=str(path), trimmed=trimmed).open(path)


def listed(raw: Path, *names: str) -> FileList:
    (raw / "names.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return FilesSource(list="names.txt", url="https://x.org/v/").open(raw)


def whole(name: str) -> WantedClip:
    return WantedClip(name, name, 900.0, 1800.0, 900.0)


@pytest.mark.parametrize(("trimmed", "offset"), [(False, 900.0), (True, 0.0)])
def test_trimmed_file_of_a_span_starts_at_the_span(tmp_path, trimmed, offset):
    found = folder(tmp_path / "videos_15min", "abc.mkv", trimmed=trimmed).find(SPAN)

    assert found is not None
    assert found.offset_seconds == offset


def test_file_with_the_clips_name_has_one_start_whether_trimmed_or_not(tmp_path):
    source = folder(tmp_path / "v", "a_b_1_11.mp4", "a_b.mp4", trimmed=True)

    found = source.find(CLIP)

    assert found is not None
    assert (Path(found.source).name, found.offset_seconds) == ("a_b_1_11.mp4", 0.0)


# The second has the eleven characters of YouTube's ids.
@pytest.mark.parametrize("name", ["cam_1_2", "aB-d_12_345"])
@pytest.mark.parametrize("kind", ["folder", "list"])
def test_video_id_that_looks_like_a_clips_name_is_found(tmp_path, kind, name):
    make = folder if kind == "folder" else listed
    source: ClipSource = make(tmp_path, f"{name}.mp4")

    found = source.find(whole(name))

    assert found is not None
    assert Path(found.source).name == f"{name}.mp4"


@pytest.mark.parametrize("kind", ["folder", "list"])
def test_name_as_it_stands_is_preferred_to_what_it_may_stand_for(tmp_path, kind):
    make = folder if kind == "folder" else listed
    source: ClipSource = make(tmp_path, "a_b_000001_000011.mp4", "a_b_0_0.mp4", "a_b_01_11.mp4")

    found = source.find(CLIP)

    assert found is not None
    assert Path(found.source).name == "a_b_000001_000011.mp4"


@pytest.mark.parametrize("kind", ["folder", "list"])
def test_another_video_is_no_clip(tmp_path, kind):
    make = folder if kind == "folder" else listed
    source: ClipSource = make(tmp_path, "cam_1_2.mp4")

    assert source.find(whole("cam_000001_000002")) is None


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("a_b_1_11.mp4", "https://x.org/v/a_b_1_11.mp4"),
        ("a_b_000001_000011.mp4", "https://x.org/v/a_b_000001_000011.mp4"),
        (
            "riding a bike/a_b_000001_000011.mp4",
            "https://x.org/v/riding%20a%20bike/a_b_000001_000011.mp4",
        ),
        ("tai chi/50%/a_b_1_11.mkv", "https://x.org/v/tai%20chi/50%25/a_b_1_11.mkv"),
        ("#1?/a_b_1_11.mp4", "https://x.org/v/%231%3F/a_b_1_11.mp4"),
        ("é/a_b_1_11.mp4", "https://x.org/v/%C3%A9/a_b_1_11.mp4"),
    ],
)
def test_line_of_a_list_is_a_path_below_its_address(tmp_path, line, address):
    found = listed(tmp_path, line).find(CLIP)

    assert found is not None
    assert (found.source, found.offset_seconds) == (address, 0.0)


def test_one_name_in_two_places_is_refused_by_both(tmp_path):
    with pytest.raises(
        ValueError, match=r"found two files of that name, .*a/v\.mp4 and .*b/v\.mp4"
    ):
        folder(tmp_path, "a/v.mp4", "b/v.mp4").find(whole("v"))
    with pytest.raises(ValueError, match=r"found two files of that name, a/v\.mp4 and b/v\.mp4"):
        listed(tmp_path, "b/v.mp4", "a/v.mp4").find(whole("v"))


def test_one_video_under_two_names_or_endings_is_no_riddle(tmp_path):
    folder(tmp_path, "a/v.mp4", "b/w.mp4")
    (tmp_path / "b/v.mp4").symlink_to(tmp_path / "a/v.mp4")
    found = FolderSource(path=str(tmp_path)).open(tmp_path)

    assert found.find(whole("v")).source.endswith("a/v.mp4")
    assert listed(tmp_path, "v.webm", "v.mkv").find(whole("v")).source == "https://x.org/v/v.mkv"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("kind", [folder, listed])
def test_names_are_found_in_either_form_of_unicode(tmp_path, kind, form):
    found = kind(tmp_path, unicodedata.normalize(form, "\u00e9t\u00e9.mov"))

    assert found.find(whole("\u00e9t\u00e9")) is not None


@pytest.mark.parametrize(
    "suffix",
    ["asf", "mxf", "gif", "h264", "vob", "m2v", "3g2", "divx", "f4v", "qt", "ogm", "VOB", "mp4"],
)
@pytest.mark.parametrize("kind", [folder, listed])
def test_files_of_every_common_ending_are_videos(tmp_path, kind, suffix):
    assert kind(tmp_path, f"v.{suffix}").find(whole("v")).suffix == f".{suffix}"


@pytest.mark.parametrize(
    "line",
    [
        "../a_b_000001_000011.mp4",
        "x/../../a_b_000001_000011.mp4",
        "/etc/a_b_000001_000011.mp4",
        "//evil.org/a_b_000001_000011.mp4",
        "https://evil.org/a_b_000001_000011.mp4",
        "x\\a_b_000001_000011.mp4",
        ".hidden/a_b_000001_000011.mp4",
        "x//a_b_000001_000011.mp4",
        "a_b_000001_000011.mp4/",
        "a_b_000001_000011.txt",
    ],
)
def test_line_that_leads_elsewhere_is_left_out_and_named(tmp_path, caplog, line):
    assert listed(tmp_path, line).find(CLIP) is None
    assert f"names.txt: found 1 lines such as {line!r}" in caplog.text


def test_clips_arrive_from_a_mirror_with_a_folder_for_each_class(world):
    with hostile_server() as server:
        content = video("clip")
        server.answers["/tai%20chi/a_b_1_11.mp4"] = lambda handler, count: handler.ranged(
            content, '"v"'
        )
        (world.raw / "names.txt").write_text("tai chi/a_b_1_11.mp4\n")
        world.sources.append({"kind": "files", "list": "names.txt", "url": server.base})
        world.want(CLIP.clip, video_id="a_b", start=1.0, end=11.0)

        world.download()

    assert world.files == {"a_b_000001_000011.mp4": content}
    assert world.rows[CLIP.clip]["source"] == f"{server.base}/tai%20chi/a_b_1_11.mp4"


def test_clips_without_leading_zeros_come_out_of_archives(world):
    world.publish_archives(["x/a_b_1_11.mp4", "cam_1_2.mp4", "c_1.mp4"])
    world.want(CLIP.clip, "cam_1_2", shard="")

    world.download()

    assert world.files == {
        "a_b_000001_000011.mp4": video("x/a_b_1_11.mp4"),
        "cam_1_2.mp4": video("cam_1_2.mp4"),
    }
    assert sorted(world.rows) == [CLIP.clip, "cam_1_2"]


def test_archive_with_short_names_is_not_read_again(world):
    world.publish_archives(["a_b_1_11.mp4"])
    archive = (world.mirror / "0.tar.gz").read_bytes()
    with hostile_server() as server:
        server.answers["/0.tar.gz"] = lambda handler, count: handler.ranged(archive, '"v"')
        (world.raw / "paths.txt").write_text(f"{server.base}/0.tar.gz\n")
        world.want(CLIP.clip, shard="")
        world.download()
        world.report.unlink()

        world.download()

    assert server.counts["/0.tar.gz"] == 1
    assert list(world.files) == ["a_b_000001_000011.mp4"]


def test_names_that_are_not_utf8_are_passed_over_in_folders_and_archives(world):
    local = world.folder / "local"
    local.mkdir()
    for name in (b"caf\xe9.txt", b"a.mp\xff", b"b\xff.mp4"):
        Path(os.fsdecode(bytes(local) + b"/" + name)).write_bytes(b"x")
    (local / "a.mp4").write_bytes(b"local")
    world.sources.append({"kind": "folder", "path": str(local)})
    world.want("a")
    world.download()
    assert world.files == {"a.mp4": b"local"}

    world.sources.clear()
    world.publish_archives(["c.mp4"])
    foreign = os.fsdecode(b"b_000001_000011.mp\xff")
    (world.mirror / "0.tar.gz").write_bytes(tar_gz((foreign, b"x"), ("c.mp4", b"archived")))
    world.want("b_000001_000011", "c", shard="")
    world.download()

    assert world.files == {"c.mp4": b"archived"}
