import hashlib
from pathlib import Path

import pytest

from pipeline.stages.download import main
from tests.download_world import World, arguments, params_file, video
from tests.hostile_server import hostile_server


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_listed_files_arrive_with_a_row_each(world):
    world.publish("-a.mkv", "b.mp4")
    world.want("b", "-a")

    counts = world.download()

    assert world.files == {"-a.mkv": video("-a.mkv"), "b.mp4": video("b.mp4")}
    assert list(world.rows) == ["-a", "b"]
    assert world.rows["-a"] == {
        "clip": "-a",
        "path": "-a.mkv",
        "status": "ok",
        "bytes": "64000",
        "sha256": hashlib.sha256(video("-a.mkv")).hexdigest(),
        "source": "{mirror}/-a.mkv",
        "offset_seconds": "0.0",
        "reason": "",
    }
    assert (counts["clips"], counts["missing"], counts["bytes"]) == (2, 0, 128000)


def test_missing_clips_are_rows_with_a_reason(world):
    world.publish("gone.mp4", "empty.mp4", "b.mp4")
    (world.mirror / "gone.mp4").unlink()
    (world.mirror / "empty.mp4").write_bytes(b"")
    world.want("gone", "empty", "unlisted", "b")

    counts = world.download()

    reasons = {clip: row["reason"] for clip, row in world.rows.items()}
    assert reasons == {
        "b": "",
        "empty": "empty file",
        "gone": "HTTP 404",
        "unlisted": "not in names.txt",
    }
    assert list(world.files) == ["b.mp4"]
    assert (counts["clips"], counts["missing"]) == (1, 3)


def test_clips_of_other_shards_are_left_to_them(world):
    world.publish("a.mp4", "b.mp4")
    world.want("a", shard="00")
    world.want("b", shard="01")

    world.download(shard=1, num_shards=2)

    assert list(world.rows) == [Path(name).stem for name in world.files] == ["b"]


@pytest.mark.parametrize("bad", ["../x", "/x", ".x", "x\ny", "x/../y"])
def test_names_that_lead_elsewhere_are_refused(world, bad):
    world.publish("b.mp4")
    world.want(bad, "b")
    world.want("c", video_id=bad)

    world.download()

    assert (
        world.rows[bad]["reason"] == world.rows["c"]["reason"] == "not a name that can be a file's"
    )
    assert list(world.files) == ["b.mp4"]


def test_folder_is_searched_at_any_depth_and_takes_no_second_space(world):
    deep = world.folder / "kinetics" / "riding a bike"
    deep.mkdir(parents=True)
    (deep / "a_000001_000011.mp4").write_bytes(b"clip")
    (deep / "a.mp4").write_bytes(b"whole video")
    (deep / "b.AVI").write_bytes(b"whole video b")
    (deep / "c.txt").write_bytes(b"no video")
    (deep / "loop").symlink_to(world.folder / "kinetics")
    world.sources.append({"kind": "folder", "path": str(world.folder / "kinetics")})
    world.want("a_000001_000011", video_id="a")
    world.want("b_000002_000012", video_id="b")
    world.want("c")

    world.download()

    assert world.files == {
        "a_000001_000011.mp4": b"clip",
        "b_000002_000012.AVI": b"whole video b",
    }
    assert (deep / "b.AVI").samefile(world.videos / "b_000002_000012.AVI")
    assert world.rows["c"]["reason"] == f"not in folder {world.folder / 'kinetics'}"


def test_linked_video_arrives_as_a_file_of_its_own(world):
    (world.folder / "store").write_bytes(b"video")
    (world.folder / "links").mkdir()
    (world.folder / "links" / "a.mp4").symlink_to(world.folder / "store")
    world.sources.append({"kind": "folder", "path": str(world.folder / "links")})
    world.want("a")

    world.download()

    assert world.files == {"a.mp4": b"video"}
    assert not (world.videos / "a.mp4").is_symlink()


def test_next_source_is_tried_when_one_fails(world):
    world.publish("a.mp4", "b.mp4")
    (world.mirror / "a.mp4").unlink()
    (world.folder / "local").mkdir()
    (world.folder / "local" / "a.webm").write_bytes(b"local")
    world.sources.append({"kind": "folder", "path": str(world.folder / "local")})
    world.want("a", "b")

    world.download()

    assert world.files == {"a.webm": b"local", "b.mp4": video("b.mp4")}
    assert world.rows["a"]["source"] == str(world.folder / "local" / "a.webm")


def test_shards_share_the_archives_and_report_what_they_find(world):
    world.publish_archives(["x/a.mp4", "no.mp4"], ["b.mp4"], ["c.mp4"])
    world.want("a", "b", "c", "nowhere", shard="")

    found = []
    for shard in (0, 1):
        world.download(shard, num_shards=2)
        found.append(sorted(world.files))
        assert sorted(world.rows) == [Path(name).stem for name in found[-1]]

    assert found == [["a.mp4", "c.mp4"], ["b.mp4"]]
    assert world.rows["b"]["source"] == "{mirror}/1.tar.gz"


def test_command_line_reads_params_and_writes_a_summary(world, tmp_path):
    world.publish("a.mp4")
    world.want("a")

    main(arguments(world, params_file(world)))

    assert world.files == {"a.mp4": video("a.mp4")}
    assert '"clips": 1' in (tmp_path / "summary.json").read_text()


def test_unknown_job_is_named(world):
    world.publish("a.mp4")
    world.want("a")
    wrong = arguments(world, params_file(world))
    wrong[wrong.index("--job") + 1] = "07"

    with pytest.raises(ValueError, match=r"job: found '07', expected one of \['00'\]"):
        main(wrong)


def test_file_named_by_its_video_holds_all_of_it_unless_it_is_trimmed(world):
    for name in ("whole", "trimmed"):
        (world.folder / name).mkdir()
        (world.folder / name / f"{name}.mp4").write_bytes(b"video")
        world.want(f"{name}_000012_000022", video_id=name, start=12.0, end=22.0)
        source = {"kind": "folder", "path": str(world.folder / name), "trimmed": name == "trimmed"}
        world.sources.append(source)

    world.download()

    offsets = {clip: row["offset_seconds"] for clip, row in world.rows.items()}
    assert offsets == {"whole_000012_000022": "12.0", "trimmed_000012_000022": "0.0"}


def test_clip_without_leading_zeros_in_its_name_is_found(world):
    (world.folder / "local").mkdir()
    (world.folder / "local" / "a_b_12_22.mp4").write_bytes(b"video")
    world.sources.append({"kind": "folder", "path": str(world.folder / "local")})
    world.want("a_b_000012_000022", video_id="a_b", start=12.0, end=22.0)

    world.download()

    assert world.files == {"a_b_000012_000022.mp4": b"video"}
    assert world.rows["a_b_000012_000022"]["offset_seconds"] == "0.0"


def test_changed_video_is_a_row_that_names_both_hashes(world):
    with hostile_server() as server:
        server.answers["/a.mp4"] = lambda handler, count: handler.ranged(video("a.mp4"), '"v"')
        world.publish("a.mp4", url=server.base)
        world.want("a")
        world.download()
        locked = world.lock.read_bytes()
        world.forget()
        server.answers["/a.mp4"] = lambda handler, count: handler.ranged(b"other", '"w"')

        counts = world.download()

        both = [hashlib.sha256(content).hexdigest() for content in (b"other", video("a.mp4"))]
        assert world.rows["a"]["reason"] == "sha256 {} instead of {}".format(*both)
        assert (world.files, counts["missing"], world.lock.read_bytes()) == ({}, 1, locked)
        world.accept_changed = True
        world.download()

    assert world.files == {"a.mp4": b"other"}
    assert both[0].encode() in world.lock.read_bytes()


def test_changed_member_of_an_archive_is_not_taken(world):
    world.publish_archives(["x/a.mp4", "b.mp4"])
    world.want("a", "b", shard="")
    archive = world.mirror / "0.tar.gz"
    with hostile_server() as server:
        server.answers["/0.tar.gz"] = lambda handler, count: handler.ranged(
            archive.read_bytes(), f'"{count}"'
        )
        (world.raw / "paths.txt").write_text(f"{server.base}/0.tar.gz\n")
        world.download()
        world.publish_archives(["y/a.mp4", "b.mp4"])
        (world.raw / "paths.txt").write_text(f"{server.base}/0.tar.gz\n")
        world.forget()

        world.download()

        assert world.files == {"b.mp4": video("b.mp4")}
        both = [hashlib.sha256(video(name)).hexdigest() for name in ("y/a.mp4", "x/a.mp4")]
        assert world.rows["a"]["reason"] == "sha256 {} instead of {}".format(*both)
        world.accept_changed = True
        world.download()

    assert world.files == {"a.mp4": video("y/a.mp4"), "b.mp4": video("b.mp4")}


def test_mirror_that_this_project_draws_is_not_locked(world):
    world.publish("a.mp4")
    world.want("a")

    world.download()

    assert not world.lock.exists()
