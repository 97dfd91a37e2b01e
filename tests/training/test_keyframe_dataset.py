"""Keyframes as examples: whole samples of the original, and what they depend on."""

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.annotations.index_schema import INDEX_SCHEMA
from pipeline.models.augmentations import Crop, resized, scale_crop_flip
from pipeline.sampling import Sampling
from pipeline.training.batches import Batch, Example, ExampleKey, Persons, read_batch
from pipeline.training.keyframe_dataset import EvaluationKeyframes, TrainingKeyframes
from pipeline.training.keyframe_index import KeyframeIndex
from pipeline.training.transforms import crop_boxes, crop_clips
from tests.reference_rule import numbers, uniform

REFERENCE = numbers("data.json")
ARRAYS = numbers("data.npz")
# clip: start in seconds, width and height of its frames
CLIPS = {
    "abcdefghijk_000012_000016": (12, (135, 240)),
    "-5KQ66BBWC4": (900, (320, 180)),
    "_145Aa_xkuE": (900, (200, 200)),
}


@cache
def frame(clip: str, number: int) -> np.ndarray:
    """The reference's images: 6 x 7 random colours, blown up with their corners in key."""
    width, height = CLIPS[clip][1]
    colours = 255 * uniform(f"img:{clip}:{number}", (6, 7, 3))
    rows, columns = np.linspace(0, 5, height), np.linspace(0, 6, width)
    low_row, low_column = np.minimum(rows.astype(int), 4), np.minimum(columns.astype(int), 5)
    down, right = (rows - low_row)[:, None, None], (columns - low_column)[None, :, None]
    upper, lower = colours[low_row], colours[low_row + 1]
    upper = upper[:, low_column] * (1 - right) + upper[:, low_column + 1] * right
    lower = lower[:, low_column] * (1 - right) + lower[:, low_column + 1] * right
    return np.floor(0.5 + upper * (1 - down) + lower * down).astype(np.uint8)


class ReferenceFrames:
    def decode_into(self, frames: np.ndarray, clip: str, numbers: np.ndarray) -> None:
        frames[:] = [frame(clip, int(number)) for number in numbers]


def index_of(records: list[dict]) -> KeyframeIndex:
    rows = []
    for record in records:
        clip, seconds = record["video_id"], record["timestamp"]
        start, (width, height) = CLIPS[clip]
        proposals = record.get("raw_proposals", [])
        rows.append(
            {
                "subset": "p",
                "video_id": clip,
                "timestamp": float(seconds),
                "clip": clip,
                "shard": "00",
                "frame": 30 * (seconds - start),
                "last_frame": 27000,
                "width": width,
                "height": height,
                "labels": record["gt_label_ids"],
                "boxes": np.array(record["gt_bboxes"]).ravel().tolist(),
                "proposals": [number for row in proposals for number in row],
            }
        )
    return KeyframeIndex(pa.Table.from_pylist(rows, schema=INDEX_SCHEMA))


def record_of(name: str) -> dict:
    clip, seconds = name.split("/")[1].split(",")
    record = next(
        r for r in REFERENCE["records"] if r["video_id"] == clip and r["timestamp"] == int(seconds)
    )
    found = [[*box, 0.95] for box in record["proposals"]]
    return {**record, "raw_proposals": [] if found == [[0, 0, 1, 1, 0.95]] else found}


def grey_levels(batch: Batch) -> np.ndarray:
    """[B, 3, T, Y, X] of a batch's crops."""
    return crop_clips(batch.clips, batch.columns, batch.rows).transpose(1, 2).numpy()


@pytest.mark.parametrize("name", [n for n in REFERENCE["samples"] if n.startswith("test/")])
def test_evaluation_samples_equal_the_original(name: str) -> None:
    expected = REFERENCE["samples"][name]
    index = index_of([record_of(name)])

    batch = EvaluationKeyframes(index, ReferenceFrames(), Sampling(8, 8), 256, 0.9)[[0]]

    frames = grey_levels(batch)[0]
    assert list(frames.shape) == expected["inputs_shape"]
    assert abs(frames[:, :, ::16, ::16] - ARRAYS[name]).max() <= 1
    # The original's resizing darkens by an eighth of a grey level: it rounds its weights down.
    assert frames.mean() == pytest.approx(expected["inputs_mean"], abs=0.15)
    assert abs(batch.boxes[:, 1:].numpy() - expected["proposals"]).max() < 5e-5


@pytest.mark.parametrize("name", [n for n in REFERENCE["samples"] if n.startswith("train/")])
def test_training_crops_equal_the_original(name: str) -> None:
    expected = REFERENCE["samples"][name]
    record, drawn = record_of(name), expected["params"]
    start, size = CLIPS[record["video_id"]]
    sampling = Sampling(8, 8)
    low, high = sampling.jitter_range
    jitter = np.full(8, {"low": low, "high": high, "zero": 0}[drawn["off"]])
    width, height = resized(*size, drawn["short"])
    # The last position that is drawn is one short of the last possible one.
    left, top = (
        max(0, side - 256 - 1) if drawn_at == "max" else max(0, min(drawn_at, side - 256 - 1))
        for drawn_at, side in ((drawn["xcrop"], width), (drawn["ycrop"], height))
    )
    crop = Crop(width, height, left, top, 256, 256, drawn["flip"] < 0.5)

    frames = sampling.numbers(30 * (record["timestamp"] - start), 27000, jitter)
    no_persons = Persons(torch.zeros(0, 5), torch.zeros(0, 81))
    example = Example(0, record["video_id"], frames, tuple(size), crop)
    cropped = grey_levels(read_batch([example], no_persons, ReferenceFrames()))[0]
    (boxes,) = crop_boxes(np.array([record["gt_bboxes"]]), [size], [crop])

    assert abs(cropped[:, :, ::16, ::16] - ARRAYS[name]).max() <= 1
    assert abs(boxes - np.array(expected["gt_bboxes"])).max() < 2e-5


@pytest.mark.parametrize("sampling", ["4x16", "8x8", "16x4"])
@pytest.mark.parametrize("way", ["test", "train_low", "train_high"])
def test_frame_numbers_equal_the_original_at_every_second(sampling: str, way: str) -> None:
    reader = Sampling.parse(sampling)
    jitter = {"test": 0, "train_low": reader.jitter_range[0], "train_high": reader.jitter_range[1]}
    shift = np.full(reader.num_frames, jitter[way])

    ava = [reader.numbers(30 * second, 27000, shift) for second in range(2, 899)]
    kinetics = [reader.numbers(30 * second, 120, shift) for second in (1, 2, 3)]

    assert np.array_equal(ava, ARRAYS[f"avakinetics.{sampling}.{way}"])
    assert np.array_equal(kinetics, ARRAYS[f"kin12_16.own.{sampling}.{way}"])


@pytest.mark.parametrize("key", ["-5KQ66BBWC4,0902", "-5KQ66BBWC4,1798"])
def test_proposals_are_kept_as_in_the_original(key: str) -> None:
    clip, seconds = key.split(",")
    found = REFERENCE["proposals"][key]
    record = {"video_id": clip, "timestamp": int(seconds), "gt_bboxes": [], "gt_label_ids": []}
    index = index_of([{**record, "raw_proposals": found}])

    kept = index.proposals(0, 0.9)

    expected = next(
        r["proposals"]
        for r in REFERENCE["records"]
        if (r["video_id"], r["timestamp"]) == (clip, int(seconds))
    )
    assert kept.tolist() == expected


EPOCH_WITH_BOTH = 4  # with seed 3, where the crop contains both people of the first keyframe


def training(records: list[dict], seed: int = 3) -> TrainingKeyframes:
    return TrainingKeyframes(
        index_of(records),
        ReferenceFrames(),
        Sampling(4, 16),
        seed,
        scale_crop_flip((64, 80), 64),
        32,
        0.9,
    )


def records() -> list[dict]:
    return [record_of("x/-5KQ66BBWC4,0902"), record_of("x/_145Aa_xkuE,0950")]


def test_an_example_depends_on_seed_epoch_and_position_only() -> None:
    first, again, other = training(records()), training(records()), training(records(), seed=4)
    first[[ExampleKey(0, 1), ExampleKey(5, 0)]]

    batch = first[[ExampleKey(2, 0)]]

    assert all(map(torch.equal, batch.tensors(), again[[ExampleKey(2, 0)]].tensors()))
    for another in (again[[ExampleKey(3, 0)]], other[[ExampleKey(2, 0)]]):
        assert not torch.equal(batch.clips, another.clips)
        assert not torch.equal(batch.columns, another.columns)


def test_each_ground_truth_box_brings_its_labels() -> None:
    batch = training(records())[[ExampleKey(EPOCH_WITH_BOTH, 0)]]

    actions = [row.nonzero().flatten().tolist() for row in batch.labels]
    # Two people; the first has a proposal that matches it exactly and takes its labels.
    assert actions == [[9, 80], [12], [9, 80]]


def test_a_batch_tells_its_keyframes_apart() -> None:
    examples = training(records())

    batch = examples[[ExampleKey(0, 1), ExampleKey(EPOCH_WITH_BOTH, 0)]]

    assert batch.positions == [1, 0]
    assert batch.model_input().shape == (2, 3, 4, 64, 64)
    assert batch.boxes[:, 0].tolist() == [0, 0, 1, 1, 1]


def test_persons_are_the_same_in_every_batch() -> None:
    examples = training(records())
    keys = [ExampleKey(0, 1), ExampleKey(EPOCH_WITH_BOTH, 0), ExampleKey(7, 1)]

    together, alone = examples[keys], [examples[[key]] for key in keys]

    assert torch.equal(together.labels, torch.cat([each.labels for each in alone]))
    assert torch.equal(together.boxes[:, 1:], torch.cat([each.boxes[:, 1:] for each in alone]))


def test_which_boxes_train_where_there_are_too_many_depends_on_the_key_alone() -> None:
    examples = training(records())
    examples._max_boxes = 1
    keys = [ExampleKey(epoch, 0) for epoch in range(EPOCH_WITH_BOTH, 40)]

    together = examples[keys]

    assert together.boxes[:, 0].tolist() == list(range(len(keys)))
    assert len(together.labels.unique(dim=0)) == 2  # either of the two people
    for number, key in enumerate(keys):
        alone = examples[[key]]
        assert torch.equal(together.boxes[number, 1:], alone.boxes[0, 1:])
        assert torch.equal(together.labels[number], alone.labels[0])


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**32, 2**63 - 1])
def test_a_draw_is_that_of_the_numbers_in_turn(seed: int) -> None:
    expected = np.random.default_rng([seed, 3, 70000]).random(4)

    assert ExampleKey(3, 70000).generator(seed).random(4).tolist() == expected.tolist()
    assert ExampleKey(3, 70000).generator(seed, 1).random(4).tolist() != expected.tolist()


def test_frames_of_several_sizes_are_cropped_as_each_alone() -> None:
    examples = training(records())
    pair = [ExampleKey(0, 1), ExampleKey(EPOCH_WITH_BOTH, 0)]
    sizes = {examples[[key]].clips.shape for key in pair}

    together = grey_levels(examples[pair])

    assert len(sizes) == 2
    for number, key in enumerate(pair):
        # Positions are fractions of the padded frame in float32.
        assert abs(together[number] - grey_levels(examples[[key]])[0]).max() < 0.01


def test_evaluation_batches_hold_one_size_each() -> None:
    names = ["x/-5KQ66BBWC4,0902", "x/_145Aa_xkuE,0950", "x/-5KQ66BBWC4,1798"]
    keyframes = EvaluationKeyframes(
        index_of([record_of(name) for name in names]), ReferenceFrames(), Sampling(4, 16), 64, 0.9
    )

    assert keyframes.batches(8) == [[0, 2], [1]]
    assert keyframes.batches(1) == [[0], [2], [1]]
