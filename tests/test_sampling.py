"""Which stored frames a keyframe looks at."""

import numpy as np
import pytest

from pipeline.sampling import Sampling, keyframe_number


def test_8x8_looks_at_64_frames_around_the_keyframe() -> None:
    numbers = Sampling.parse("8x8").numbers(centre=100, last_frame=1000)

    assert numbers.tolist() == [68, 76, 84, 92, 100, 108, 116, 124]


def test_numbers_outside_the_clip_repeat_its_ends() -> None:
    sampling = Sampling.parse("4x16")

    assert sampling.numbers(centre=20, last_frame=30).tolist() == [1, 4, 20, 30]


@pytest.mark.parametrize(
    ("text", "reach"), [("4x16", (40, 23)), ("8x8", (36, 27)), ("16x4", (34, 29))]
)
def test_reach_includes_the_jitter(text: str, reach: tuple[int, int]) -> None:
    assert Sampling.parse(text).reach == reach


@pytest.mark.parametrize(("text", "length"), [("4x16", 49), ("8x8", 57), ("1x8", 1)])
def test_length_is_from_the_first_still_to_the_last(text: str, length: int) -> None:
    assert Sampling.parse(text).length == length


def test_jitter_of_an_odd_interval_is_symmetric() -> None:
    assert Sampling(3, 5).jitter_range == (-2, 2)
    assert Sampling(3, 5).offsets.tolist() == [-5, 0, 5]


def test_jitter_shifts_each_still() -> None:
    numbers = Sampling.parse("4x16").numbers(100, 1000, jitter=np.array([-8, 0, 7, 1]))

    assert numbers.tolist() == [60, 84, 107, 117]


@pytest.mark.parametrize(
    ("timestamp", "start", "number"), [(902, 900, 60), (5.016949, 0, 151), (17.0, 12, 150)]
)
def test_keyframe_number(timestamp: float, start: float, number: int) -> None:
    assert keyframe_number(timestamp, start) == number


@pytest.mark.parametrize("text", ["8", "8 x 8", "0x8", "8x0", "8x8x1", "-4x16", ""])
def test_other_notations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected frames x interval"):
        Sampling.parse(text)
