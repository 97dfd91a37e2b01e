"""Batches hold the decoded frames of their clips."""

import numpy as np
import pytest
import torch

from pipeline.models.augmentations import Crop, augmented_crop, scale_crop_flip, whole_frame
from pipeline.training.batches import Batch, Example, Persons, read_batch
from pipeline.video.frame_store import FrameStore, FrameStoreWriter
from pipeline.video.jpeg import encode_rgb

SIZES = {"wide": (340, 192), "square": (200, 200), "tall": (170, 300)}
NO_PERSONS = Persons(torch.zeros(0, 5), torch.zeros(0, 81))


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


def batch_of(
    crops: dict[str, Crop], frames: FrameStore, memory: torch.Tensor | None = None
) -> Batch:
    examples = [
        Example(number, clip, np.array([1, 2]), SIZES[clip], crop)
        for number, (clip, crop) in enumerate(crops.items())
    ]
    return read_batch(examples, NO_PERSONS, frames, memory)


@pytest.mark.parametrize("clips", [["wide"], ["square"], ["tall"], list(SIZES)])
def test_the_model_input_does_not_depend_on_what_was_in_the_memory(
    store: FrameStore, clips: list[str]
) -> None:
    draw = np.random.default_rng(0)
    for _ in range(12):
        crops = {
            clip: augmented_crop(SIZES[clip], scale_crop_flip((96, 200), 96), draw)
            for clip in clips
        }
        expected = batch_of(crops, store).model_input()
        for before in (0, 255):
            memory = torch.full((3 * 2 * 340 * 300 * 3,), before, dtype=torch.uint8)
            assert torch.equal(batch_of(crops, store, memory).model_input(), expected)


def test_frames_are_decoded_into_the_given_memory(store: FrameStore) -> None:
    memory = torch.zeros(2 * 192 * 340 * 3, dtype=torch.uint8)

    batch = batch_of({"wide": whole_frame(SIZES["wide"], 96)}, store, memory)

    assert batch.clips.shape == (1, 2, 192, 340, 3)
    assert batch.clips.data_ptr() == memory.data_ptr()
    assert np.array_equal(batch.clips[0].numpy(), store.decode("wide", [1, 2]))
