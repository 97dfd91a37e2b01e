"""Labelled clips for pretraining: which are taken, which frames are used."""

import numpy as np
import pandas as pd
import torch

from pipeline.models.augmentations import scale_crop_flip
from pipeline.sampling import Sampling
from pipeline.training.batches import ExampleKey
from pipeline.training.clip_dataset import LabelledClips, choose_clips, random_span


class Grey:
    """A frame store whose frames are as bright as their number."""

    def __init__(self, stored: dict[str, range]) -> None:
        self.stored = stored

    def __contains__(self, clip: object) -> bool:
        return clip in self.stored

    def numbers(self, clip: str) -> np.ndarray:
        return np.array(self.stored[clip], np.int32)

    def size(self, clip: str) -> tuple[int, int]:
        return 40, 32

    def decode_into(self, frames: np.ndarray, clip: str, numbers: np.ndarray) -> None:
        assert set(numbers) <= set(self.stored[clip])
        frames[:] = numbers.astype(np.uint8)[:, None, None, None]


def table(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["clip", "split", "label"])


def test_takes_the_first_clips_of_each_label_and_none_of_validation() -> None:
    clips = table(
        [
            *[("a", "pretrain", "jog"), ("c", "train", "jog"), ("b", "train", "jog")],
            *[("v", "val_kinetics", "jog"), ("x", "train", "sit"), ("gone", "train", "sit")],
            ("ava", "train", ""),
        ]
    )
    frames = Grey(dict.fromkeys(["a", "b", "c", "v", "x", "ava"], range(1, 9)))

    chosen = choose_clips(clips, [], 2, frames)

    # Clips that training has anyway come before those listed for pretraining alone.
    assert chosen.to_numpy().tolist() == [["b", "jog"], ["c", "jog"], ["x", "sit"]]
    assert choose_clips(clips, ["sit"], 2, frames)["clip"].tolist() == ["x"]


def test_a_span_lies_inside_the_stored_frames() -> None:
    stored = np.arange(11, 131, dtype=np.int32)
    draws = [random_span(stored, Sampling(4, 16), np.random.default_rng(i)) for i in range(200)]

    assert all(np.diff(found).tolist() == [16, 16, 16] for found in draws)
    assert {int(found[0]) for found in draws} >= {11, 82}
    assert max(int(found[-1]) for found in draws) == 130


def test_a_clip_shorter_than_the_span_repeats_its_ends() -> None:
    found = random_span(np.arange(5, 10, dtype=np.int32), Sampling(4, 16), np.random.default_rng(0))

    assert found.tolist() == [5, 5, 7, 9]


def test_an_example_is_a_function_of_seed_epoch_and_position() -> None:
    def clips() -> LabelledClips:
        frames = Grey({"a": range(1, 120), "b": range(1, 90)})
        return LabelledClips(
            ["a", "b"], [1, 0], frames, Sampling(4, 16), 3, scale_crop_flip((32, 32), 32)
        )

    batch = clips()[[ExampleKey(2, 1), ExampleKey(2, 0)]]

    assert batch.labels.tolist() == [0, 1]
    assert torch.equal(batch.clips[1], clips()[[ExampleKey(2, 0)]].clips[0])
    assert not torch.equal(batch.clips[1], clips()[[ExampleKey(3, 0)]].clips[0])
