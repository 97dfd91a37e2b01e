from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from pipeline.demo.actors import Actor, Interval, box_at, draw_actor
from pipeline.demo.film import Film, Shot
from pipeline.demo.layout import make_layout
from pipeline.demo.motions import ARMS, BODIES, LISTEN, WATCH_TV, Style
from pipeline.demo.scenes import Scene, draw_background, overlaps

STYLE = Style(phase=0.1, tempo=1.0, amount=0.4, backward=1)
COMBINATIONS = [(body, "rest") for body in BODIES] + [("stand", arms) for arms in ARMS]


def _actor(body: str, arms: str = "rest", slot: tuple[float, float] = (1, 150), number: int = 0):
    look = make_layout(np.random.default_rng(5), (5,), (160, 120), 1, False).looks[0]
    stretch = Interval(0, 4, body, arms, STYLE, 1)
    return Actor(number, replace(look, height_px=70.0), slot, 110, (stretch,))


def _film(*actors: Actor, tv_on: tuple[tuple[float, float], ...] = (), tv: bool = False) -> Film:
    scene = Scene(160, 120, (3,), 90, (4, 12, 40, 40) if tv else None)
    return Film(
        "abcdefghijk", "mkv", Fraction(25), 4.0, (160, 120), (Shot(4.0, scene, actors, tv_on),)
    )


@pytest.mark.parametrize(("body", "arms"), COMBINATIONS)
@pytest.mark.parametrize("second", [0.3, 1.4, 2.0, 3.1])
def test_the_box_holds_every_drawn_pixel_and_little_more(body, arms, second):
    actor = _actor(body, arms)
    empty = np.full((120, 160, 3), 128, np.uint8)
    drawn = empty.copy()

    draw_actor(drawn, actor, second)
    box = box_at(actor, second, 160, 120)

    rows, columns = np.nonzero((drawn != empty).any(axis=2))
    assert box is not None
    if body != "sit":  # the stool is furniture
        assert columns.min() >= box[0] - 0.5
        assert columns.max() <= box[2] + 0.5
        assert rows.min() >= box[1] - 0.5
        assert rows.max() <= box[3] + 0.5
    assert box[2] - box[0] <= columns.max() - columns.min() + 8
    assert box[3] - box[1] <= rows.max() - rows.min() + 8


def test_television_changes_the_label_and_no_pixel_of_the_watcher():
    actor = _actor("stand", slot=(60, 159))
    off, on = _film(actor, tv=True), _film(actor, tv=True, tv_on=((0.0, 4.0),))
    background = draw_background(off.shots[0].scene)

    first, second = off.shot(2.0).draw(2.0, background), on.shot(2.0).draw(2.0, background)
    x1, y1, x2, y2 = (round(side) for side in off.people(2.0)[0][1])

    assert off.people(2.0)[0][2] == [12]
    assert on.people(2.0)[0][2] == [12, WATCH_TV]
    assert (first[y1:y2, x1:x2] == second[y1:y2, x1:x2]).all()
    assert (first != second).any()


def test_a_talker_changes_the_label_and_no_pixel_of_the_listener():
    listener = _actor("sit", slot=(1, 70))
    quiet = _film(listener, _actor("stand", "rest", (75, 159), 1))
    loud = _film(listener, _actor("stand", "talk", (75, 159), 1))
    background = draw_background(quiet.shots[0].scene)

    first, second = quiet.shot(2.0).draw(2.0, background), loud.shot(2.0).draw(2.0, background)
    x1, y1, x2, y2 = (round(side) for side in quiet.people(2.0)[0][1])

    assert quiet.people(2.0)[0][2] == [11]
    assert loud.people(2.0)[0][2] == [11, LISTEN]
    assert (first[y1:y2, x1:x2] == second[y1:y2, x1:x2]).all()
    assert (first != second).any()


def test_a_talker_does_not_listen_to_itself():
    assert _film(_actor("stand", "talk")).people(2.0)[0][2] == [12, 79]


def test_people_who_walk_neither_watch_nor_listen():
    walker, talker = _actor("walk", slot=(1, 70)), _actor("stand", "talk", (75, 159), 1)

    assert _film(walker, talker).people(2.0)[0][2] == [14]


def test_falling_and_getting_up_share_their_middle_still_and_differ_over_time():
    falls, rises = _actor("fall"), _actor("get_up")
    empty = np.full((120, 160, 3), 128, np.uint8)

    def drawn(actor: Actor, second: float) -> np.ndarray:
        image = empty.copy()
        draw_actor(image, actor, second)
        return image

    assert (drawn(falls, 2.0) == drawn(rises, 2.0)).all()
    assert (drawn(falls, 1.6) == drawn(rises, 2.4)).all()
    assert (drawn(falls, 1.6) != drawn(rises, 1.6)).any()


def test_a_person_who_has_left_is_neither_drawn_nor_labelled():
    film = _film(replace(_actor("stand"), leaves=1.5))

    assert len(film.people(1.4)) == 1
    assert film.people(1.6) == []


def test_the_frame_on_screen_is_the_last_one_begun():
    film = replace(_film(_actor("stand")), rate=Fraction(30000, 1001))

    assert film.shown(1.0) == pytest.approx(29 * 1001 / 30000)  # frame 30 begins at 1.001 s
    assert film.shown(1.001) == pytest.approx(30 * 1001 / 30000)


def test_boxes_that_only_touch_do_not_overlap():
    assert not overlaps((0, 0, 2, 2), (2, 0, 4, 2))
    assert overlaps((0, 0, 2, 2), (1, 1, 4, 4))


def test_a_cut_changes_place_and_people_at_once():
    first, second = _film(_actor("stand")).shots[0], _film(_actor("lie")).shots[0]
    film = replace(_film(), shots=(replace(first, end=1.5), second))

    assert film.people(1.4)[0][2] == [12]
    assert film.people(1.5)[0][2] == [8]
