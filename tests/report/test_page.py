"""The page stands alone, and works in a real browser."""

import re
from html.parser import HTMLParser

import pytest

from pipeline.report.figures import make_charts
from pipeline.report.gallery import make_gallery
from pipeline.report.page import make_page
from pipeline.report.table import percent, sign_change_text


@pytest.fixture(scope="module")
def page(study, build):
    return make_page(study, make_charts(study), make_gallery(study, build.frames(), 2))


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def attributes(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_page_loads_nothing_from_elsewhere(page):
    elements = Elements(page)

    for attribute in ("src", "href", "xlink:href"):
        places = [found[attribute] for _, found in elements.found if found.get(attribute)]
        assert [place for place in places if not place.startswith(("data:", "#"))] == []
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_every_picture_has_words(page):
    elements = Elements(page)

    assert len(elements.attributes("img")) == 2
    assert all(len(found["alt"]) > 20 for found in elements.attributes("img"))
    assert all(found.get("aria-label") for found in elements.attributes("svg"))


def test_page_says_what_is_missing_and_why(page):
    assert "HTTP 404" in page
    assert "12 of 18 keyframes of AVA val are available" in page


def test_page_has_every_section_and_a_link_to_it(page):
    elements = Elements(page)

    sections = [found["id"] for found in elements.attributes("section")]
    assert sections == ["table", "charts", "actions", "errors", "coverage", "gallery"]
    links = [found["href"] for found in elements.attributes("a")]
    assert links[1:] == [f"#{name}" for name in sections]


def test_page_tells_what_boxes_and_classification_cost(study, page):
    section = page.partition('<section id="errors"')[2].partition("</section>")[0]

    for variant in study.variants:
        errors = variant.errors["val_ava"]
        both = [percent(errors["mAP"]), percent(errors["perfect_boxes"]["mAP"])]
        cells = "".join(f"<td>{text}</td>" for text in both)
        assert f'<th scope="row">{variant.name}</th>{cells}' in section
    for title in ("By category of action", "By how frequent", "By size", "By number of people"):
        assert title in section
    assert "24 persons" in section
    assert "Most confused actions" in section


def test_page_puts_both_maps_side_by_side_when_videos_are_missing(study, page):
    section = page.partition('<section id="coverage"')[2].partition("</section>")[0]

    for variant in study.variants:
        whole = percent(2 / 3 * variant.mAP)
        cells = f"<td>{percent(variant.mAP)}</td><td>{whole}</td>"
        assert f'<th scope="row">{variant.name}</th>{cells}' in section


def test_steps_stand_in_the_table_with_the_share_of_flips(study, page):
    for variant in study.variants[1:]:
        assert sign_change_text(variant.step.share_sign_changes).replace("<", "&lt;") in page


def test_names_from_files_cannot_become_markup(study, page):
    assert "<at the waist>" not in page
    assert "stand" in page
