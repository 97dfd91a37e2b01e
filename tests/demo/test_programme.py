from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.demo import ground_truth
from pipeline.demo.ava import ava_keyframes, plan_ava
from pipeline.demo.kinetics import KINETICS_LABELS, plan_kinetics
from pipeline.demo.motions import EVALUATED_IDS, WATCH_TV
from pipeline.demo.scenes import overlaps
from pipeline.settings.params import load_params

DEFAULTS = load_params(Path("params.yaml")).draw_world
SEED, SECONDS = DEFAULTS.seed, DEFAULTS.ava_seconds
CLIP_SECONDS = DEFAULTS.kinetics_seconds


@pytest.fixture(scope="module")
def train():
    return plan_ava(SEED, "train", DEFAULTS.ava_train_videos, SECONDS)


@pytest.fixture(scope="module")
def val():
    return plan_ava(SEED, "val", DEFAULTS.ava_val_videos, SECONDS)


@pytest.fixture(scope="module")
def clips():
    return plan_kinetics(SEED, "train", DEFAULTS.kinetics_train_clips, CLIP_SECONDS)


@pytest.fixture(scope="module")
def splits(train, val, clips):
    return {
        "ava_train": ground_truth.annotate_ava(train, SECONDS),
        "ava_val": ground_truth.annotate_ava(val, SECONDS),
        "kinetics_train": ground_truth.annotate_kinetics(clips),
    }


def _counts(keyframes):
    boxes = [person for keyframe in keyframes for person in keyframe.people]
    return Counter(action for person in boxes for action in person.action_ids), len(boxes)


@pytest.mark.parametrize("split", ["ava_train", "ava_val", "kinetics_train"])
def test_a_blind_guess_stays_near_a_tenth(splits, split):
    counts, num_boxes = _counts(splits[split])

    prevalences = [counts[action] / num_boxes for action in EVALUATED_IDS]

    assert sum(prevalences) / len(EVALUATED_IDS) < 0.12


def test_every_action_is_seen_in_training_and_validation(splits):
    train, _ = _counts(splits["ava_train"] + splits["kinetics_train"])
    val, _ = _counts(splits["ava_val"])

    assert min(train[action] for action in EVALUATED_IDS) >= 20
    assert min(val[action] for action in EVALUATED_IDS) >= 3


def test_some_actions_are_many_times_rarer_than_others(splits):
    train, _ = _counts(splits["ava_train"] + splits["kinetics_train"])

    assert max(train.values()) > 8 * min(train.values())


def test_a_longer_list_begins_with_the_shorter_one():
    assert plan_ava(SEED, "train", 5, 20)[:3] == plan_ava(SEED, "train", 3, 20)
    assert plan_kinetics(SEED, "val", 9, 4)[:4] == plan_kinetics(SEED, "val", 4, 4)


def test_both_splits_show_all_rates_and_containers():
    for split, number in (("train", 20), ("val", 10)):
        films = plan_ava(SEED, split, number, SECONDS)
        expected = {Fraction(30000, 1001), *map(Fraction, (24, 25, 30, 50, 60))}
        assert {film.rate for film in films} == expected
        assert {film.container for film in films} == {"mkv", "mp4", "webm"}


def test_ids_look_like_those_of_youtube_awkward_ones_included(train):
    ids = [film.video_id for film in train]

    assert {len(video_id) for video_id in ids} == {11}
    assert len(set(ids)) == len(train)
    assert {video_id[0] for video_id in ids} >= {"-", "_"}


def test_videos_reach_beyond_the_annotated_span(train):
    assert all(film.seconds >= 4 + SECONDS + 2 for film in train)


def test_kinetics_keyframes_are_partly_fractional_and_inside_their_clip(clips):
    clips = [clip for clip in clips if clip.keyframe is not None]

    fractional = [clip for clip in clips if clip.keyframe != int(clip.keyframe)]

    assert 0.25 < len(fractional) / len(clips) < 0.6
    assert all(clip.start + 1 < clip.keyframe < clip.end - 1 for clip in clips)


def test_each_kinetics_class_gets_its_share():
    counts = Counter(clip.label for clip in plan_kinetics(SEED, "train", 60, 4))

    assert counts == dict.fromkeys(KINETICS_LABELS, 4)


def test_people_overlap_only_when_they_fight(train, val):
    for film in [*train, *val]:
        for second in ava_keyframes(SECONDS):
            people = [(box, ids) for _, box, ids in film.people(second) if 64 not in ids]
            for number, (box, _) in enumerate(people):
                assert not any(overlaps(box, other) for other, _ in people[number + 1 :])


def test_no_viewer_stands_before_the_television(train):
    for film in train:
        for second in ava_keyframes(SECONDS):
            screen = film.shot(second).scene.tv
            viewers = [box for _, box, ids in film.people(second) if WATCH_TV in ids]
            assert not any(screen is None or overlaps(box, screen) for box in viewers)
