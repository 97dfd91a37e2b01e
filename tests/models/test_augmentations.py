"""Augmentations one by one, and lists of them of which no batch could be made."""

import numpy as np
import pytest
import torch

from pipeline.models.augmentations import (
    AUGMENTATIONS,
    Augmentation,
    CentreCrop,
    ColourJitter,
    Flip,
    RandomCrop,
    Scale,
    augmented_crop,
    check_order,
    drawn_colours,
    recolour,
    scale_crop_flip,
)
from pipeline.models.vision import import_torchvision

SCALE, SQUARE = Scale(short_side_px=(96, 96)), RandomCrop(side_px=64)


def clips(number: int = 2) -> torch.Tensor:
    """Grey levels [B, T, 3, H, W]."""
    return 255 * torch.rand(number, 4, 3, 6, 8, generator=torch.Generator().manual_seed(0))


def test_the_middle_of_a_frame_by_hand() -> None:
    crop = augmented_crop((200, 100), [SCALE, CentreCrop(side_px=64)], np.random.default_rng(0))

    # 192 x 96 after scaling, so 128 and 32 pixels are cut away, half of them on each side.
    assert (crop.width, crop.height, crop.left, crop.top) == (192, 96, 64, 16)
    assert (crop.crop_width, crop.crop_height, crop.flip) == (64, 64, False)


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0), (1.0, 1)])
def test_a_flip_can_be_switched_off_and_made_certain(probability: float, share: float) -> None:
    draw = np.random.default_rng(0)
    kinds = [SCALE, SQUARE, Flip(probability=probability)]

    assert {augmented_crop((128, 96), kinds, draw).flip for _ in range(50)} == {share == 1}


def test_two_certain_flips_are_none() -> None:
    twice = [SCALE, SQUARE, Flip(probability=1), Flip(probability=1)]

    assert not augmented_crop((128, 96), twice, np.random.default_rng(0)).flip


def test_colour_jitter_equals_torchvisions_on_a_clip_of_one_frame() -> None:
    jitter = ColourJitter(brightness=0.4, contrast=0.4, saturation=0.4)
    frame = clips(1)[:, :1]
    brightness, contrast, saturation = drawn = jitter.draw(np.random.default_rng(3))

    found = jitter.colour(frame, torch.tensor([drawn]))

    library = import_torchvision().transforms.functional
    expected = library.adjust_brightness(frame[0] / 255, brightness)
    expected = library.adjust_contrast(expected, contrast)
    expected = 255 * library.adjust_saturation(expected, saturation)
    # torchvision weighs green with 0.587 and blue with 0.114, but red with 0.2989.
    assert (found[0] - expected).abs().max() < 0.1
    assert (found - frame).abs().mean() > 5


def test_factors_are_drawn_within_their_strengths_and_none_at_strength_0() -> None:
    draw = np.random.default_rng(0)

    factors = np.array([ColourJitter(brightness=0.3).draw(draw) for _ in range(300)])

    assert 0.7 <= factors[:, 0].min() < 0.71
    assert 1.29 < factors[:, 0].max() <= 1.3
    assert (factors[:, 1:] == 1).all()


def test_each_augmentation_gets_the_numbers_that_it_drew() -> None:
    kinds = [SCALE, ColourJitter(brightness=0.5), SQUARE, ColourJitter(saturation=0.5)]
    drawn = drawn_colours(kinds, np.random.default_rng(0))

    found = recolour(clips(1), kinds, torch.tensor([drawn]))

    first, last = kinds[1].colour(clips(1), torch.tensor([drawn[:3]])), torch.tensor([drawn[3:]])
    assert torch.equal(found, kinds[3].colour(first, last))


def test_colours_do_not_change_which_part_is_seen() -> None:
    plain = scale_crop_flip((96, 120), 64)
    jittered = [*plain, ColourJitter(brightness=0.5)]

    first, second = (
        augmented_crop((200, 120), kinds, np.random.default_rng(5)) for kinds in (plain, jittered)
    )

    assert first == second


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_draws_as_many_numbers_as_it_says(name: str) -> None:
    kind = AUGMENTATIONS[name]
    sizes = {"short_side_px": (96, 112), "side_px": 64}
    made = kind(**{key: sizes[key] for key in sizes if key in kind.model_fields})

    assert len(made.draw(np.random.default_rng(0))) == made.num_drawn


@pytest.mark.parametrize(
    "kinds",
    [
        [],
        [SCALE],
        [SQUARE],
        [SQUARE, SCALE],
        [Flip(), SCALE, SQUARE],
        [SCALE, SCALE, SQUARE],
        [SCALE, SQUARE, CentreCrop(side_px=64)],
        [SCALE, RandomCrop(side_px=97)],
    ],
)
def test_a_list_of_which_no_batch_could_be_made_is_refused(kinds: list[Augmentation]) -> None:
    with pytest.raises(ValueError, match=r"^augmentations: found .*, expected "):
        check_order(kinds)
