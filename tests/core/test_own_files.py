"""Nothing of another user's is touched, and nothing is followed out of our own folders."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from pipeline.core.atomic import written, written_folder
from pipeline.core.own_files import NotAFileError, open_file, own_temporary_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("kind", ["symbolic link", "hard link"])
def test_a_link_planted_beside_an_output_is_not_followed(tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("precious")
    planted = tmp_path / ".table.csv.part"
    planted.symlink_to(outside) if kind == "symbolic link" else planted.hardlink_to(outside)

    with written(tmp_path / "table.csv") as temporary:
        temporary.write_text("ours")

    assert outside.read_text() == "precious"
    assert (tmp_path / "table.csv").read_text() == "ours"


def test_a_pipe_beside_an_output_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".table.csv.part")

    with written(tmp_path / "table.csv") as temporary:
        temporary.write_text("ours")

    assert (tmp_path / "table.csv").read_text() == "ours"


def test_a_link_planted_beside_a_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (tmp_path / ".clips.part").symlink_to(outside)
    (tmp_path / ".clips.old").symlink_to(outside)

    with written_folder(tmp_path / "clips") as folder:
        (folder / "a").touch()

    assert (outside / "precious").exists()
    assert os.listdir(tmp_path / "clips") == ["a"]


def test_a_folder_on_another_disk_is_replaced_behind_its_link_again_and_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "disk/00").mkdir(parents=True)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/00").symlink_to(tmp_path / "disk/00")

    for name in ("a", "b", "c"):
        with written_folder(tmp_path / "videos/00") as folder:
            (folder / name).touch()

    assert (tmp_path / "videos/00").is_symlink()
    assert os.listdir(tmp_path / "disk/00") == ["c"]
    assert os.listdir(tmp_path / "videos") == ["00"]


@pytest.mark.parametrize("name", ["/dev/zero", "pipe"])
def test_a_device_or_pipe_is_not_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "video.mp4").symlink_to(name)

    with pytest.raises(NotAFileError, match="expected a regular file"):
        open_file(tmp_path / "video.mp4")


def test_the_temporary_folder_is_ours_alone(temporary: Path) -> None:
    (temporary / f"ava-kinetics-{os.geteuid()}").mkdir(mode=0o777)

    folder = own_temporary_folder()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_temporary_folder_behind_a_link_is_refused(temporary: Path) -> None:
    (temporary / "elsewhere").mkdir()
    (temporary / f"ava-kinetics-{os.geteuid()}").symlink_to(temporary / "elsewhere")

    with pytest.raises(ValueError, match="TMPDIR"):
        own_temporary_folder()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_temporary_folder_of_another_user_is_refused(temporary: Path) -> None:
    folder = temporary / "ava-kinetics-0"
    folder.mkdir()
    os.chown(folder, 12345, 12345)

    with pytest.raises(ValueError, match="a folder of user 12345, expected a folder of our own"):
        own_temporary_folder()
