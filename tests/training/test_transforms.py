"""Resizing, cropping, flipping and normalising, against the original's numbers."""

import cv2
import numpy as np
import pytest
import torch

from pipeline.models.augmentations import (
    Crop,
    augmented_crop,
    resized,
    scale_crop_flip,
    whole_frame,
)
from pipeline.training.transforms import crop_boxes, crop_clips, normalise, source_pixels
from tests.reference_rule import numbers

REFERENCE = numbers("data.json")
ARRAYS = numbers("data.npz")
CORNERS = [[0, 0, 1, 1], [0.2, 0.1, 0.5, 0.9]]


@pytest.mark.parametrize("case", REFERENCE["resize"])
def test_resized_sides_equal_the_original(case: dict) -> None:
    width, height = resized(case["w"], case["h"], case["short"])

    assert [height, width] == case["new"]


@pytest.mark.parametrize("case", REFERENCE["crop_then_flip"])
def test_boxes_are_clipped_and_flipped_as_in_the_original(case: dict) -> None:
    fractions = np.array(case["before"]) / [455, 256, 455, 256]
    crops = [Crop(455, 256, case["x_offset"], 0, 256, 256, flip) for flip in (False, True)]

    cropped, flipped = crop_boxes(np.stack([fractions, fractions]), [(455, 256)] * 2, crops)

    assert abs(cropped - np.array(case["cropped"])).max() < 2e-5
    assert abs(flipped - np.array(case["flipped"])).max() < 2e-5


def test_a_box_outside_the_crop_stays_without_area() -> None:
    box = np.array([[[0.0, 0.0, 0.25, 1.0]]], np.float32)

    cropped = crop_boxes(box, [(100, 50)], [Crop(100, 50, 50, 0, 50, 50, False)])

    assert cropped.tolist() == [[[0, 0, 0, 49]]]


def cropped_frames(frames: np.ndarray, crop: Crop) -> np.ndarray:
    """[T, Y, X, 3] of frame [T, H, W, 3]."""
    positions = source_pixels([(frames.shape[2], frames.shape[1])], [crop])
    columns, rows = (torch.from_numpy(each) for each in positions)
    return crop_clips(torch.from_numpy(frames)[None], columns, rows)[0].permute(0, 2, 3, 1).numpy()


def test_frames_are_cropped_then_flipped() -> None:
    frames = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)

    cropped = cropped_frames(frames, Crop(4, 3, 1, 1, 2, 2, True))

    assert abs(cropped - frames[:, 1:3, [2, 1]]).max() < 0.01


@pytest.mark.parametrize("size", [(340, 256), (200, 341), (128, 96)])
def test_views_are_those_of_opencv_within_a_grey_level(size: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    small = draw.integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    frames = np.stack([cv2.resize(frame, size) for frame in small])
    for crop in (augmented_crop(size, scale_crop_flip((96, 320), 96), draw) for _ in range(20)):
        cropped = cropped_frames(frames, crop)

        whole = [cv2.resize(frame, (crop.width, crop.height)) for frame in frames]
        kept = np.stack(whole)[:, crop.top : crop.top + 96, crop.left : crop.left + 96]
        expected = kept[:, :, ::-1] if crop.flip else kept
        assert abs(cropped - expected.astype(float)).max() < 1
        assert abs(cropped - expected.astype(float)).mean() < 0.3


def test_places_of_a_batch_are_those_of_each_view_alone() -> None:
    draw = np.random.default_rng(0)
    sizes = [(340, 256), (200, 341), (128, 96)] * 4
    crops = [augmented_crop(size, scale_crop_flip((96, 120), 96), draw) for size in sizes]

    columns, rows = source_pixels(sizes, crops)

    assert {crop.flip for crop in crops} == {True, False}
    for number, (size, crop) in enumerate(zip(sizes, crops, strict=True)):
        alone = source_pixels([size], [crop])
        assert columns[number].tolist() == alone[0][0].tolist()
        assert rows[number].tolist() == alone[1][0].tolist()


def test_a_still_that_is_not_resized_keeps_its_values() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 180, 341, 3), dtype=np.uint8)

    assert abs(cropped_frames(frames, whole_frame((341, 180), 180)) - frames).max() < 0.01


def test_random_views_stay_inside_and_depend_on_the_draw_alone() -> None:
    crops = [
        augmented_crop((132, 96), scale_crop_flip((96, 112), 96), np.random.default_rng([7, seed]))
        for seed in range(300)
    ]

    assert all(v.left + 96 <= v.width and v.top + 96 <= v.height for v in crops)
    assert {min(v.width, v.height) for v in crops} == set(range(96, 113))
    assert 0.4 < np.mean([v.flip for v in crops]) < 0.6
    assert crops[5] == augmented_crop(
        (132, 96), scale_crop_flip((96, 112), 96), np.random.default_rng([7, 5])
    )


def test_random_views_begin_everywhere_but_at_the_last_place_in_both_directions() -> None:
    draw = np.random.default_rng(0)
    crops = [augmented_crop((12, 9), scale_crop_flip((9, 9), 8), draw) for _ in range(200)]

    assert {crop.left for crop in crops} == {0, 1, 2, 3}
    assert {crop.top for crop in crops} == {0}
    assert {crop.flip for crop in crops} == {True, False}
    crops = [augmented_crop((9, 12), scale_crop_flip((9, 9), 9), draw) for _ in range(200)]
    assert {(crop.left, crop.top) for crop in crops} == {(0, 0), (0, 1), (0, 2)}


def test_places_lie_inside_the_stored_still() -> None:
    columns, rows = source_pixels([(10, 6)], [whole_frame((10, 6), 48)])

    assert (columns.min(), columns.max()) == (0, 9)
    assert (rows.min(), rows.max()) == (0, 5)


def test_the_whole_view_moves_and_clips_no_box() -> None:
    boxes, size = np.array([[*CORNERS, [-0.1, 0, 1.2, 1]]] * 2, np.float32), (200, 100)
    cropped = Crop(200, 100, 50, 0, 100, 100, flip=False)

    cropped = crop_boxes(boxes, [size, size], [whole_frame(size, 100), cropped])

    expected = [[0, 0, 200, 100], [40, 10, 100, 90], [-20, 0, 240, 100]]
    assert cropped[0] == pytest.approx(np.array(expected))
    assert cropped[1, 2].tolist() == [0, 0, 99, 99]  # its neighbour's is clipped to the crop


def test_normalised_values_equal_the_original() -> None:
    frames_CTHW = ARRAYS["test/-5KQ66BBWC4,0902"][:, :, ::2, ::2]
    clip_BTCHW = torch.from_numpy(frames_CTHW).transpose(0, 1)[None].float()

    found = normalise(clip_BTCHW)[0].numpy()

    expected = ARRAYS["preprocess.sub"][3][:, :, : found.shape[2]]
    assert abs(found - expected).max() < 1e-6
