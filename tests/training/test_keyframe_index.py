"""The index is read once, also by workers that are started anew."""

import gc
import pickle
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.annotations.index_schema import INDEX_SCHEMA
from pipeline.training.keyframe_index import KeyframeIndex, read_index

ROWS = [
    {"video_id": "a", "clip": "a", "timestamp": 902.0, "frame": 60, "last_frame": 90}
    | {"boxes": [0.1, 0.2, 0.5, 0.7, 0.5, 0.2, 0.9, 0.7], "labels": [[12, 80], [14]]}
    | {"proposals": [0.1, 0.2, 0.5, 0.7, 0.95]},
    {"video_id": "a", "clip": "a", "timestamp": 903.0, "frame": 90, "last_frame": 90}
    | {"boxes": [], "labels": [], "proposals": []},
    {"video_id": "b", "clip": "b_000001_000011", "timestamp": 1.5, "frame": 15, "last_frame": 300}
    | {"boxes": [0.0, 0.0, 1.0, 1.0], "labels": [[3]]}
    | {"proposals": [0.0, 0.0, 1.0, 1.0, 0.5, 0.1, 0.1, 0.9, 0.9, 0.25]},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = [{"subset": "p", "shard": "00", "width": 8, "height": 6, **row} for row in ROWS]
    pq.write_table(pa.Table.from_pylist(rows, schema=INDEX_SCHEMA), tmp_path / "train.parquet")
    return tmp_path / "train.parquet"


def labels_of(index: KeyframeIndex, row: int) -> np.ndarray:
    """Return [G, 81] of all labelled persons of a keyframe."""
    persons = np.arange(len(index.ground_truth(row)))
    return index.labels(np.full(len(persons), row), persons)


def content(index: KeyframeIndex) -> list[object]:
    """Return everything that an index holds, as plain values."""
    rows = range(len(index))
    labels = [[np.flatnonzero(person).tolist() for person in labels_of(index, row)] for row in rows]
    return [
        index.video_id.to_pylist(),
        index.clip.to_pylist(),
        *(column.tolist() for column in (index.timestamp, index.frame, index.last_frame)),
        index.size.tolist(),
        [index.ground_truth(row).tolist() for row in rows],
        [index.proposals(row, 0.5).tolist() for row in rows],
        labels,
    ]


def mapped_files() -> set[str]:
    """Return the paths of the index files that this process has in its memory."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.split()[5] for line in lines if line.endswith(".arrow")}


def answer(index: KeyframeIndex, answers: "Queue[tuple[list[object], set[str]]]") -> None:
    answers.put((content(index), mapped_files()))


def test_columns_are_those_of_the_file(path: Path) -> None:
    index = read_index(path)

    assert (len(index), index.clip.to_pylist()) == (3, ["a", "a", "b_000001_000011"])
    assert index.timestamp.tolist() == [902.0, 903.0, 1.5]
    assert (index.frame.tolist(), index.last_frame.tolist()) == ([60, 90, 15], [90, 90, 300])
    assert index.size.tolist() == [[8, 6]] * 3
    assert index.ground_truth(0).tolist() == [[0.1, 0.2, 0.5, 0.7], [0.5, 0.2, 0.9, 0.7]]
    assert [index.ground_truth(row).shape for row in range(3)] == [(2, 4), (0, 4), (1, 4)]
    assert [np.argwhere(labels_of(index, row)).tolist() for row in range(3)] == [
        [[0, 12], [0, 80], [1, 14]],
        [],
        [[0, 3]],
    ]
    assert index.proposals(2, 0.5).tolist() == [[0, 0, 1, 1]]
    assert index.proposals(1, 0.5).tolist() == [[0, 0, 1, 1]]  # no detection: the whole frame


def test_labels_are_those_of_the_requested_persons(path: Path) -> None:
    labels = read_index(path).labels(np.array([2, 0, 0, 2]), np.array([0, 1, 0, 0]))

    assert [np.flatnonzero(row).tolist() for row in labels] == [[3], [14], [12, 80], [3]]


def test_keyframes_without_people_can_be_left_out(path: Path) -> None:
    index = read_index(path, labelled_only=True)

    assert index.video_id.to_pylist() == ["a", "b"]
    assert index.ground_truth(1).tolist() == [[0, 0, 1, 1]]


def test_an_index_without_keyframes_is_read(path: Path) -> None:
    pq.write_table(INDEX_SCHEMA.empty_table(), path)

    assert [len(read_index(path, only)) for only in (False, True)] == [0, 0]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no list of mapped files here")
def test_a_worker_started_anew_maps_the_same_file(path: Path) -> None:
    index = read_index(path)
    context = get_context("spawn")
    answers = context.Queue()
    worker = context.Process(target=answer, args=(index, answers))

    worker.start()
    found, mapped = answers.get(timeout=60)
    worker.join()

    assert found == content(index)
    assert mapped == {str(index.path)}
    assert mapped <= mapped_files()


def test_the_file_is_deleted_with_its_index(path: Path) -> None:
    index = read_index(path)
    folder = index.path.parent
    assert [file.name for file in folder.iterdir()] == ["keyframes.arrow"]

    del index
    gc.collect()

    assert not folder.exists()


def test_a_workers_copy_leaves_the_file_in_place(path: Path) -> None:
    index = read_index(path)

    copy = pickle.loads(pickle.dumps(index))
    del copy
    gc.collect()

    assert index.path.exists()
