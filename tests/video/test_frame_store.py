"""The frame store: one tar and one table per shard."""

import hashlib
import multiprocessing
import pickle
import subprocess
import tarfile

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.video.frame_store import FrameStore, FrameStoreWriter
from pipeline.video.jpeg import encode_rgb

NAMES = {"b": [3, 4, 9], "a ü\"'": [1, 2]}


def flat(clip, number):
    """[12, 16, 3] of one colour that tells clip and frame apart."""
    return np.full((12, 16, 3), 20 * number + (10 if clip == "b" else 0), dtype=np.uint8)


def write_shard(folder, name, clips):
    with FrameStoreWriter(folder / f"{name}.tar", folder / f"{name}.parquet") as writer:
        for clip, numbers in clips.items():
            for number in numbers:
                writer.add(clip, number, encode_rgb(flat(clip, number), 95), 16, 12)


@pytest.fixture
def folder(tmp_path):
    write_shard(tmp_path, "00", {"b": NAMES["b"]})
    write_shard(tmp_path, "01", {"a ü\"'": [1, 2]})
    write_shard(tmp_path, "02", {})
    return tmp_path


@pytest.fixture
def store(folder):
    return FrameStore(folder)


def test_clips_and_their_frames_are_known(store):
    assert store.clips() == ["a ü\"'", "b"]
    assert store.numbers("b").tolist() == [3, 4, 9]
    assert (store.first_frame("b"), store.last_frame("b")) == (3, 9)
    assert store.size("b") == (16, 12)
    assert "b" in store
    assert "c" not in store


def test_the_shard_of_a_clip_is_known(store, folder):
    for path in folder.glob("*.parquet"):
        for clip in set(pq.read_table(path)["clip"].to_pylist()):
            assert store.shard(clip) == path.stem


def test_frames_come_in_the_order_asked_for(store):
    images = store.decode("b", [9, 3, 9, 4])

    assert images.shape == (4, 12, 16, 3)
    assert images.dtype == np.uint8
    assert images[:, 5, 5, 0] == pytest.approx([190, 70, 190, 90], abs=1)


def test_missing_frame_is_named(store):
    for number in (1, 5, 10):
        with pytest.raises(ValueError, match=rf"clip b has no frame {number}, .* from 3 to 9"):
            store.decode("b", [3, number])


def test_clip_without_frames_is_named(store):
    with pytest.raises(ValueError, match="no frames of clip c"):
        store.last_frame("c")


def test_store_works_in_other_processes(store):
    first = store.decode("b", [4])  # opens the files here

    copy = pickle.loads(pickle.dumps(store))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        spawned = pool.starmap(store.decode, [("b", [4])] * 4)

    for images in (copy.decode("b", [4]), *spawned):
        assert np.array_equal(images, first)


def test_tar_is_a_plain_tar(folder):
    listed = subprocess.run(["tar", "tvf", folder / "00.tar"], capture_output=True, check=True)
    lines = listed.stdout.decode().splitlines()

    assert [line.split()[-1] for line in lines] == [f"b/img_0000{n}.jpg" for n in (3, 4, 9)]
    assert all(line.startswith("-rw-r--r-- 0/0") and "1970-01-01" in line for line in lines)
    assert (folder / "00.tar").stat().st_size % tarfile.RECORDSIZE == 0
    with tarfile.open(folder / "00.tar") as tar:
        jpeg = tar.extractfile("b/img_00004.jpg").read()
    assert jpeg == FrameStore(folder).jpeg("b", 4)


def test_long_names_are_kept(tmp_path):
    write_shard(tmp_path, "00", {"x" * 180: [1]})

    with tarfile.open(tmp_path / "00.tar") as tar:
        assert tar.getnames() == ["x" * 180 + "/img_00001.jpg"]
    assert len(FrameStore(tmp_path).decode("x" * 180, [1])) == 1


def test_same_frames_give_the_same_bytes(tmp_path):
    def digests(name):
        (tmp_path / name).mkdir()
        write_shard(tmp_path / name, "00", {"b": [3, 4]})
        files = sorted((tmp_path / name).iterdir())
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]

    assert digests("once") == digests("again")


def test_nothing_appears_when_writing_fails(tmp_path):
    def fail():
        with FrameStoreWriter(tmp_path / "00.tar", tmp_path / "00.parquet") as writer:
            writer.add("b", 1, b"jpeg", 16, 12)
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_shortened_tar_is_told(folder, store):
    store.clips()
    with (folder / "00.tar").open("r+b") as tar:
        tar.truncate(600)

    with pytest.raises(ValueError, match=r"00.tar: ends within frame 9 of clip b"):
        store.decode("b", [9])


def test_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"found no \*.parquet, expected a table per shard"):
        FrameStore(tmp_path).clips()


@pytest.mark.parametrize("size", [(10, 16), (12, 17)])
def test_frame_of_another_size_than_its_clip_is_told(tmp_path, size):
    with FrameStoreWriter(tmp_path / "00.tar", tmp_path / "00.parquet") as writer:
        for number, (height, width) in enumerate([(12, 16), size], start=1):
            grey = np.zeros((height, width, 3), np.uint8)
            writer.add("b", number, encode_rgb(grey, 95), width, height)

    told = rf"frame 2 of clip b is {size[1]} x {size[0]}, expected 16 x 12"
    with pytest.raises(ValueError, match=told):
        FrameStore(tmp_path).decode("b", [1, 2])


@pytest.mark.parametrize("end", [-20, 300, 10, 0])
def test_broken_frame_is_named(tmp_path, end):
    jpeg = encode_rgb(flat("b", 2), 95)
    with FrameStoreWriter(tmp_path / "00.tar", tmp_path / "00.parquet") as writer:
        writer.add("b", 2, jpeg[:end], 16, 12)

    with pytest.raises(ValueError, match="frame 2 of clip b is no whole JPEG: "):
        FrameStore(tmp_path).decode("b", [2])


def test_frames_can_fill_a_part_of_larger_ones(store):
    room = np.zeros((3, 14, 20, 3), np.uint8)

    store.decode_into(room[:, :12, :16], "b", [9, 4, 9])

    assert np.array_equal(room[:, :12, :16], store.decode("b", [9, 4, 9]))
    assert not room[:, 12:].any()
    assert not room[:, :, 16:].any()


@pytest.fixture
def noise(tmp_path):
    """A stored frame of noise, 50 x 34, extracted from the tar by `tar`."""
    image = np.random.default_rng(0).integers(0, 256, (34, 50, 3), np.uint8)
    with FrameStoreWriter(tmp_path / "00.tar", tmp_path / "00.parquet") as writer:
        writer.add("w", 1, encode_rgb(image, 85), 50, 34)
    subprocess.run(["tar", "-xf", "00.tar"], cwd=tmp_path, check=True)
    return FrameStore(tmp_path).decode("w", [1])[0], tmp_path / "w/img_00001.jpg"


READERS = {
    "Pillow": lambda path: np.asarray(Image.open(path)),
    "OpenCV": lambda path: cv2.imread(str(path))[..., ::-1],
    "OpenCV, as stored": lambda path: cv2.imread(
        str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )[..., ::-1],
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_shows_a_stored_frame_upright(noise, reader):
    expected, path = noise

    shown = READERS[reader](path)

    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 0.5


def test_a_stored_frame_is_a_plain_baseline_jpeg(noise):
    _, path = noise

    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (50, 34))
        assert "progressive" not in image.info
        assert not image.getexif()
    jpeg = path.read_bytes()
    header = jpeg[: jpeg.index(b"\xff\xda")]  # all up to the pixels
    assert b"\xff\xc0" in header  # baseline
    assert b"\xff\xdd" not in header  # no restart markers
    assert b"\xff\xe1" not in header  # no EXIF
