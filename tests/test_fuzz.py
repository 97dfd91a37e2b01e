"""Every reader takes every broken file: a result, or one line that names the file, in bounds."""

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.annotations.ava_csv import read_detections, read_exclusions, read_ground_truth
from pipeline.annotations.class_list import read_class_list
from pipeline.annotations.coverage import read_reports
from pipeline.annotations.detections_parquet import read_detections_parquet
from pipeline.annotations.kinetics_lists import read_clip_list
from pipeline.clips import read_clips, read_windows
from pipeline.core.summaries import read_summary
from pipeline.download.archives import unpack
from pipeline.download.data_lock import DataLock
from pipeline.download.journal import Fetched, Journal
from pipeline.models.checkpoints import read_meta, read_weights, write_weights
from pipeline.people.finished_batches import FinishedBatches
from pipeline.people.proposals import read_proposals
from pipeline.settings.params import load_params
from pipeline.training.keyframe_index import read_index
from pipeline.training.state import SavedState
from pipeline.video.cut_table import Cut, read_cuts, write_cuts
from pipeline.video.downloaded_table import read_videos
from pipeline.video.frame_store import FrameStore
from pipeline.video.stored_frames import read_stored_frames
from tests.conftest import ROOT
from tests.fuzz import complaints
from tests.toy_dataset import write_toy_dataset

Reader = Callable[[Path], object]

TRUTH = b"a,0902,0.1,0.2,0.5,0.7,12,0\na,0902,0.1,0.2,0.5,0.7,14,1\nb,0903,0.1,0.2,0.5,0.7,3,0\n"
DETECTIONS = b"a,0902,0.1,0.2,0.5,0.7,12,0.9\nb,0903,0.1,0.2,0.5,0.7,14,0.25\n"
CLASSES = b'item {\n  name: "stand"\n  id: 12\n}\nitem {\n  name: "walk"\n  id: 14\n}\n'
CLIPS = b'label,youtube_id,time_start,time_end,split\nrun,abc,0,10,train\n"a, b",abd,5,15,train\n'
VIDEOS = (
    "clip,path,status,bytes,sha256,source,offset_seconds,reason\n"
    f"a,a.mp4,ok,12,{'0' * 64},/data/a.mp4,0.0,\nb,,missing,0,,,,HTTP 404\n"
).encode()
LOCK = f"address,sha256,bytes\nhttp://h/a,{'0' * 64},12\n".encode()
PEOPLE = b"a,0902,0.1,0.2,0.5,0.7,0.9\nb,0903,0.1,0.2,0.5,0.7,0.5\n"

CSVS: dict[str, tuple[bytes, Reader]] = {
    "truth.csv": (TRUTH, read_ground_truth),
    "detections.csv": (DETECTIONS, read_detections),
    "excluded.csv": (b"a,0902\nb,0903\n", read_exclusions),
    "classes.pbtxt": (CLASSES, read_class_list),
    "clip_list.csv": (CLIPS, read_clip_list),
    "people.csv": (PEOPLE, read_proposals),
    "videos.csv": (VIDEOS, lambda path: list(read_videos(path))),
    "lock.csv": (LOCK, DataLock),
    "truth.csv.gz": (gzip.compress(TRUTH), read_ground_truth),
}


def check(read: Reader, good: bytes, path: Path, names: str = "") -> None:
    assert complaints(read, good, path, names) == []


@pytest.mark.parametrize("name", CSVS)
def test_annotation_files(tmp_path: Path, name: str) -> None:
    good, read = CSVS[name]

    check(read, good, tmp_path / name)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    write_toy_dataset(folder)
    write_cuts([Cut("clip_a", "clip_a.nut", windows="1-9")], folder / "cuts.csv")
    weights = {"backbone.conv.weight": torch.arange(12.0).reshape(3, 4)}
    write_weights(folder / "model.pt", weights, {"variant": "plain"})
    return folder


def whole_store(path: Path) -> None:
    """Read every stored frame that the table of a shard names."""
    store = FrameStore(path.parent)
    for clip in store.clips():
        store.size(clip)
        for _ in store.jpegs(clip, store.numbers(clip)):
            pass


def whole_index(path: Path) -> None:
    """Read all boxes of an index."""
    index = read_index(path)
    for row in range(len(index)):
        index.ground_truth(row)
        index.proposals(row, 0.9)


OWN: dict[str, Reader] = {
    "clips.csv": read_clips,
    "cuts.csv": read_cuts,
    "model.pt": read_weights,
    "index/train.parquet": whole_index,
}


@pytest.mark.parametrize("name", OWN)
def test_our_own_files(toy: Path, tmp_path: Path, name: str) -> None:
    check(OWN[name], (toy / name).read_bytes(), tmp_path / Path(name).name)


def test_windows_of_the_clip_table(toy: Path, tmp_path: Path) -> None:
    check(read_windows, (toy / "clips.csv").read_bytes(), tmp_path / "clips.csv")


def test_notes_beside_weights(toy: Path, tmp_path: Path) -> None:
    check(read_meta, (toy / "model.pt").read_bytes(), tmp_path / "model.pt")


def test_the_table_of_stored_frames(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "00.tar").write_bytes((toy / "frames/00.tar").read_bytes())
    table = (toy / "frames/00.parquet").read_bytes()

    check(whole_store, table, tmp_path / "00.parquet", names=str(tmp_path))
    check(lambda path: read_stored_frames(path.parent), table, tmp_path / "00.parquet")


def test_reports_for_the_coverage(tmp_path: Path) -> None:
    check(lambda path: read_reports(path.parent), VIDEOS, tmp_path / "00.csv")


def test_a_column_twice_in_a_published_clip_list(external: Callable[[str], Path]) -> None:
    with pytest.raises(ValueError, match=r"clip_list_column_twice.csv: .*youtube_id"):
        read_clip_list(external("cases/files/clip_list_column_twice.csv"))


def test_a_column_twice_in_a_clip_list(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("label,youtube_id,time_start,time_end,time_end\na,b,0,1,2\n")

    with pytest.raises(ValueError, match=r"list.csv: .*expected \['time_end'\] once"):
        read_clip_list(tmp_path / "list.csv")


def test_a_cell_of_200_kb_in_our_own_table(tmp_path: Path) -> None:
    (tmp_path / "00.csv").write_bytes(VIDEOS + b"x" * 200_000)

    with pytest.raises(ValueError, match=r"00.csv: line 4: .*delete it and run again"):
        list(read_videos(tmp_path / "00.csv"))


def test_pickles_of_boxes(tmp_path: Path) -> None:
    good = pickle.dumps({"a,0902": np.array([[0.1, 0.2, 0.5, 0.7, 0.9]])})

    check(read_proposals, good, tmp_path / "people.pkl")


def archive(kind: str) -> bytes:
    """Return a small annotation archive."""
    content = io.BytesIO()
    if kind.startswith("zip"):
        method = getattr(zipfile, kind.partition(" ")[2])
        with zipfile.ZipFile(content, "w", method) as packed:
            packed.writestr("annotations/train.csv", TRUTH * 20)
            packed.writestr("annotations/val.csv", DETECTIONS * 20)
    else:
        with tarfile.open(fileobj=content, mode=f"w:{kind.partition('.')[2]}") as packed_tar:
            info = tarfile.TarInfo("annotations/train.csv")
            info.size = len(TRUTH) * 20
            packed_tar.addfile(info, io.BytesIO(TRUTH * 20))
    return content.getvalue()


@pytest.mark.parametrize(
    "kind", ["zip ZIP_STORED", "zip ZIP_DEFLATED", "zip ZIP_LZMA", "zip ZIP_BZIP2", "tar", "tar.gz"]
)
def test_archives(tmp_path: Path, kind: str) -> None:
    def read(path: Path) -> None:
        folder = path.with_name("out")
        for old in folder.glob("*") if folder.exists() else ():
            old.unlink()
        folder.mkdir(exist_ok=True)
        try:
            unpack(path, folder)
        except ValueError as error:  # whoever calls it names the archive
            raise ValueError(f"{path}: {error}") from None

    check(read, archive(kind), tmp_path / f"archive.{kind.partition(' ')[0]}")


def test_journals_of_downloads(tmp_path: Path) -> None:
    note = asdict(
        Fetched("a", "single/a.mp4", 1, "0" * 64, "http://h/a.mp4", 0.0, "http://h/a.mp4")
    )

    check(
        lambda path: Journal(path.parent),
        f"{json.dumps(note)}\n".encode(),
        tmp_path / "journal.jsonl",
    )


def test_summaries_of_jobs(tmp_path: Path) -> None:
    check(read_summary, b'{"clips": 3, "seconds": 1.5}\n', tmp_path / "00.json")


def test_finished_batches_of_the_detector(tmp_path: Path) -> None:
    lines = ["print", {"batch": "0" * 64, "boxes": [[[0.1, 0.2, 0.5, 0.7, 0.9]]]}]
    good = "".join(f"{json.dumps(line)}\n" for line in lines).encode()

    check(lambda path: FinishedBatches(path, "print"), good, tmp_path / "batches.jsonl")


def test_states_of_trainings(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    from pipeline.training.state import Position

    state = SavedState(tmp_path / "good", "this", 0.0)
    state.after_step(model, optimizer, Position(), stop=False, is_last=True)

    def read(path: Path) -> None:
        SavedState(path, "this", 0.0).resume(model, optimizer)

    check(read, (tmp_path / "good").read_bytes(), tmp_path / "state.pt")


def test_the_settings_of_the_project(tmp_path: Path) -> None:
    check(load_params, (ROOT / "params.yaml").read_bytes(), tmp_path / "params.yaml")


def test_detections_as_parquet(tmp_path: Path) -> None:
    rows = {"video_id": ["a", "b"], "timestamp": [902.0, 903.0]}
    rows |= {name: [0.1, 0.5] for name in ("x1", "y1", "x2", "y2", "score")}
    rows |= {"action_id": [12, 14], "split": ["val_ava", "val_ava"]}
    pq.write_table(pa.table(rows), tmp_path / "good")

    good = (tmp_path / "good").read_bytes()

    check(read_detections_parquet, good, tmp_path / "detections.parquet")
