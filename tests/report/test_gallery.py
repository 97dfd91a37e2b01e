"""The gallery shows what is there, chosen without a look at what came out well."""

import cv2
import numpy as np
import pandas as pd
import pytest

from pipeline.report.drawing import draw_keyframe, draw_row
from pipeline.report.gallery import Action, Keyframe, Person, choose_keyframes, make_gallery


def index(*rows):
    return pd.DataFrame(rows, columns=["video_id", "labels"])


def test_keyframes_with_most_new_actions_come_first():
    keyframes = index(("a", [[1]]), ("b", [[1, 2], [3]]), ("c", [[4]]), ("d", []))

    assert choose_keyframes(keyframes, 5) == [1, 2, 0]


def test_no_video_twice_while_another_is_left():
    keyframes = index(("a", [[1, 2]]), ("a", [[3, 4]]), ("b", [[1]]))

    assert choose_keyframes(keyframes, 3) == [0, 2, 1]


def test_people_carry_their_actions_and_whether_the_ground_truth_agrees(study, build):
    first, second = make_gallery(study, build.frames(), 2)

    assert {first.video_id, second.video_id} == {"one", "two"}
    assert first.image.shape == (64, 96, 3)
    assert [names for _, names in first.ground_truth] == [["stand", "talk to"], ["stand"]]
    left, right = first.found
    assert left.box[0] < right.box[0]
    for person, names in zip(first.found, (["stand", "talk to"], ["stand"]), strict=True):
        for action in person.actions:
            assert action.is_right == (action.name in names)


def keyframe(actions):
    people = [Person(np.array([0.25, 0.25, 0.75, 0.75]), actions)]
    ground_truth = [(np.array([0.25, 0.25, 0.75, 0.75]), ["stand"])]
    return Keyframe("v", 4.0, np.full((64, 96, 3), 90, np.uint8), ground_truth, people)


@pytest.mark.parametrize(("is_right", "stronger"), [(True, 1), (False, 2)])
def test_colour_tells_right_from_wrong(is_right, stronger):
    jpeg = draw_keyframe(keyframe([Action("stand", 0.9, is_right)]))
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(int)

    assert image.shape == (426, 640, 3)
    edge = image[200:220, 156:165].mean(axis=(0, 1))  # the box's left side, in B, G, R
    assert int(np.argmax(edge)) == stronger


def test_row_of_pictures_shares_one_height():
    png = draw_row([keyframe([Action("stand", 0.9, True)])] * 5)

    height, width = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape[:2]
    assert (height, width) == (480, 3 * 720 + 2 * 12)


def test_an_action_of_any_name_is_written_beside_its_person():
    action = Action(r"pay $\foo$ now", 0.9, True)
    person = Person(np.array([0.1, 0.3, 0.5, 0.9]), [action])
    image = np.zeros((64, 96, 3), np.uint8)

    assert draw_row([Keyframe("v", 1.0, image, [], [person])]).startswith(b"\x89PNG")
