"""Batches of workers lie in memory that is used again, and no batch changes."""

import gc
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from pipeline.models.augmentations import scale_crop_flip
from pipeline.sampling import Sampling
from pipeline.training import prefetch
from pipeline.training.batches import Batch, ExampleKey
from pipeline.training.clip_dataset import LabelledClips
from pipeline.training.prefetch import AHEAD, BufferPool, load_batches

SIZES = {"tall": (24, 40), "wide": (48, 32), "small": (20, 20)}
CPU = torch.device("cpu")
WORKERS = 2
BATCHES = [
    [ExampleKey(epoch, 0), ExampleKey(epoch, 1), ExampleKey(epoch, 2)][: 3 - epoch % 2]
    for epoch in range(9)
]


class Noise:
    """A frame store whose frames are random numbers."""

    def __contains__(self, clip: object) -> bool:
        return clip in SIZES

    def numbers(self, clip: str) -> np.ndarray:
        return np.arange(1, 100, dtype=np.int32)

    def size(self, clip: str) -> tuple[int, int]:
        return SIZES[clip]

    def decode_into(self, frames: np.ndarray, clip: str, numbers: np.ndarray) -> None:
        draw = np.random.default_rng([*clip.encode(), *numbers])
        frames[:] = draw.integers(1, 256, frames.shape, dtype=np.uint8)


@pytest.fixture
def examples() -> LabelledClips:
    return LabelledClips(
        list(SIZES), [0, 1, 2], Noise(), Sampling(4, 2), 3, scale_crop_flip((16, 20), 16)
    )


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The block that goes with each batch."""
    blocks: list[int | None] = []
    plainly = BufferPool.with_blocks

    def noted(
        self: BufferPool, batches: list[list[ExampleKey]]
    ) -> Iterator[tuple[int | None, object]]:
        for block, keys in plainly(self, batches):
            blocks.append(block)
            yield block, keys

    monkeypatch.setattr(prefetch.BufferPool, "with_blocks", noted)
    return blocks


def equal(batch: Batch, other: Batch) -> bool:
    return batch.positions == other.positions and all(
        one.dtype == two.dtype and torch.equal(one, two)
        for one, two in zip(batch.tensors(), other.tensors(), strict=True)
    )


def test_batches_of_workers_are_those_made_here(
    examples: LabelledClips, handed: list[int | None]
) -> None:
    same = [
        equal(batch, examples[keys])
        for batch, keys in zip(load_batches(examples, BATCHES, WORKERS, CPU), BATCHES, strict=True)
    ]

    assert same == [True] * len(BATCHES)
    assert None not in handed
    assert len(set(handed)) < len(BATCHES)  # some were used again


def test_batches_that_are_kept_stay_as_they_are(
    examples: LabelledClips, handed: list[int | None]
) -> None:
    kept = list(load_batches(examples, BATCHES, WORKERS, CPU))

    assert all(equal(batch, examples[keys]) for batch, keys in zip(kept, BATCHES, strict=True))
    assert len(set(handed) - {None}) == handed.index(None) == WORKERS * AHEAD + 2


def test_without_workers_batches_have_memory_of_their_own(
    examples: LabelledClips, handed: list[int | None]
) -> None:
    kept = list(load_batches(examples, BATCHES, 0, CPU))

    assert all(equal(batch, examples[keys]) for batch, keys in zip(kept, BATCHES, strict=True))
    assert set(handed) == {None}


@pytest.mark.parametrize("workers", [0, WORKERS])
def test_nothing_to_do_makes_nothing(examples: LabelledClips, workers: int) -> None:
    assert list(load_batches(examples, [], workers, CPU)) == []


def test_what_was_in_the_memory_before_is_not_seen(examples: LabelledClips) -> None:
    memory = torch.full((3 * examples.clip_bytes(),), 255, dtype=torch.uint8)

    batch = examples.make(BATCHES[0], memory)

    assert equal(batch, examples[BATCHES[0]])
    assert batch.clips.data_ptr() == memory.data_ptr()


def test_the_largest_clip_is_as_wide_and_as_high_as_any(examples: LabelledClips) -> None:
    assert examples[BATCHES[0]].clips.nbytes == 3 * examples.clip_bytes() == 3 * 4 * 48 * 40 * 3


def test_too_little_memory_is_left_alone(examples: LabelledClips) -> None:
    memory = torch.full((3 * examples.clip_bytes() - 1,), 255, dtype=torch.uint8)

    batch = examples.make(BATCHES[0], memory)

    assert equal(batch, examples[BATCHES[0]])
    assert memory.unique().tolist() == [255]


def test_a_block_is_free_once_nothing_shares_its_memory() -> None:
    pool = BufferPool(num_blocks=1, num_bytes=6)
    orders = pool.with_blocks("abc")
    block, _ = next(orders)
    batch = pool.owned(block, pool.blocks[0].view(2, 3))
    row = batch[1]

    del batch
    gc.collect()
    assert next(orders) == (None, "b")
    del row
    gc.collect()

    assert next(orders) == (0, "c")


def test_a_batch_is_sent_with_its_small_tensors_by_value(examples: LabelledClips) -> None:
    batch = examples[BATCHES[0]]

    assert equal(pickle.loads(pickle.dumps(batch)), batch)
    (sent,) = load_batches(examples, BATCHES[:1], 1, CPU)
    assert not any(each.is_shared() for each in (sent.columns, sent.rows, sent.labels))
