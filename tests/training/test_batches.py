"""Batches hold of their stills what the views show."""

import numpy as np
import pytest
import torch

from pipeline.training.batches import Batch, Example, People, read_batch
from pipeline.training.transforms import View, random_view, whole_view
from pipeline.video.frame_store import FrameStore
from pipeline.video.frame_store_writer import FrameStoreWriter
from pipeline.video.jpeg import encode_rgb

SIZES = {"wide": (340, 192), "square": (200, 200), "tall": (170, 300)}
NOBODY = People(torch.zeros(0, 5), torch.zeros(0, 81))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    folder = tmp_path_factory.mktemp("frames")
    with FrameStoreWriter(folder / "00.tar", folder / "00.parquet") as writer:
        for clip, (width, height) in SIZES.items():
            for number in (1, 2):
                draw = np.random.default_rng([*clip.encode(), number])
                noise = draw.integers(0, 256, (height, width, 3), np.uint8)
                writer.add(clip, number, encode_rgb(noise, 90), width, height)
    return FrameStore(folder)


class Whole:
    """Decodes all columns; remembers which were asked for."""

    def __init__(self, store: FrameStore) -> None:
        self.store, self.asked = store, list[range]()

    def decode_into(
        self, stills: np.ndarray, clip: str, numbers: np.ndarray, columns: range
    ) -> None:
        self.asked.append(columns)
        self.store.decode_into(stills, clip, numbers)


def batch_of(
    views: dict[str, View], frames: FrameStore | Whole, memory: torch.Tensor | None = None
) -> Batch:
    examples = [
        Example(number, clip, np.array([1, 2]), SIZES[clip], view)
        for number, (clip, view) in enumerate(views.items())
    ]
    return read_batch(examples, NOBODY, frames, memory)


@pytest.mark.parametrize("clips", [["wide"], ["square"], ["tall"], list(SIZES)])
def test_what_is_shown_does_not_depend_on_columns_that_are_left_out(
    store: FrameStore, clips: list[str]
) -> None:
    draw = np.random.default_rng(0)
    for _ in range(12):
        views = {clip: random_view(SIZES[clip], (96, 200), 96, draw) for clip in clips}
        expected = batch_of(views, Whole(store)).shown()
        for before in (0, 255):
            memory = torch.full((3 * 2 * 340 * 300 * 3,), before, dtype=torch.uint8)
            assert torch.equal(batch_of(views, store, memory).shown(), expected)


def test_columns_are_asked_for_that_the_view_shows_and_one_beside(store: FrameStore) -> None:
    frames = Whole(store)
    # Twice as large: columns 40, 41, ... lie at 19.75, 20.25, ... of the stored still.
    for left, flip in ((40, False), (40, True), (0, False), (680 - 96, False)):
        batch_of({"wide": View(680, 384, left, 0, 96, 96, flip)}, frames)
    batch_of({"wide": whole_view(SIZES["wide"], 192)}, frames)

    inner = range(19 - 1, 68 + 2)
    assert frames.asked == [inner, inner, range(50), range(290, 340), range(340)]


def test_stills_of_one_size_are_decoded_where_they_stay(store: FrameStore) -> None:
    batch = batch_of({"wide": whole_view(SIZES["wide"], 96)}, store)

    assert batch.clips.shape == (1, 2, 192, 340, 3)
    assert batch.clips.transpose(2, 3).is_contiguous()
