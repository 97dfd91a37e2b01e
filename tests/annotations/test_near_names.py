"""Which names pass for misspelt ones."""

import pytest

from pipeline.annotations.near_names import in_words, near_misses


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("c2.mp4", "c2"),
        ("c2", "c2.MKV"),
        ("videos/c2", "c2"),
        ("C2 ", "c2"),
        ("cam-1_take 2", "cam_1-take2"),
        ("0001", "1"),
        ("kkk", "kkk_000012_000022"),
        ("kkk_000012_000022", "kkk"),
        ("kkk_12_22", "kkk_000012_000022"),
        ("\uff43\uff12", "c2"),  # full width
    ],
)
def test_a_name_that_differs_in_how_it_is_written_is_near(name, known):
    assert near_misses([name], ["other", known, "zz"]) == [(name, known)]


@pytest.mark.parametrize(
    ("name", "known"), [("c2", "c3"), ("kkk_12_22", "kkk_12_23"), ("v1.2", "v1.3"), ("c2", "c2")]
)
def test_another_name_is_not_near(name, known):
    assert near_misses([name], [known]) == []


def test_words_name_both():
    assert in_words([("c2.mp4", "c2")]) == "; 'c2.mp4' is nearly 'c2'"
    assert in_words([]) == ""
