"""The page works in a real browser: without network, on a phone, in the dark, by keyboard."""

import pytest

from pipeline.report.figures import make_charts
from pipeline.report.gallery import make_gallery
from pipeline.report.page import make_page
from pipeline.report.table import percent
from tests.report.browser import Page

ROWS = """[...document.querySelectorAll("#ablation tbody tr")]
    .filter((row) => row.getClientRects().length).map((row) => row.cells[0].textContent)"""
WIDTHS = [390, 1400]


@pytest.fixture(scope="module")
def path(study, build, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    gallery = make_gallery(study, build.frames(), 2)
    path.write_text(make_page(study, make_charts(study), gallery), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    page = Page(tmp_path_factory.mktemp("browser"))
    yield page
    page.close()


@pytest.fixture(params=WIDTHS)
def page(request, browser, path):
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(path, request.param)
    return browser


def by_map(study):
    """Names by the mAP that the table shows, worst and best first; equals stay as they were."""
    shown = {variant.name: float(percent(variant.mAP)) for variant in study.variants}
    return sorted(shown, key=lambda name: shown[name]), sorted(shown, key=lambda name: -shown[name])


def click(page, column):
    page.value(f'document.querySelectorAll("#ablation thead button")[{column}].click()')


def test_page_loads_without_network_and_without_complaint(page, path):
    assert page.value("document.images.length") == 2
    assert page.value("[...document.images].every((image) => image.naturalWidth > 0)")
    assert page.complaints == []
    elsewhere = [url for url in page.requests if not url.startswith("data:")]
    assert elsewhere == [path.as_uri()]


def test_complaints_and_requests_of_a_page_are_noticed(browser, tmp_path):
    (tmp_path / "bad.html").write_text(
        "<script>console.error('no'); throw new Error('broken')</script>"
        "<img src='http://127.0.0.1:9/image.png'>"
    )
    browser.complaints.clear()
    browser.requests.clear()

    browser.open(tmp_path / "bad.html", 1400)

    assert len(browser.complaints) >= 2
    assert "http://127.0.0.1:9/image.png" in browser.requests


def test_table_shows_a_row_per_variant_and_sorts(page, study):
    worst_first, best_first = by_map(study)

    assert page.value(ROWS) == [variant.name for variant in study.variants]
    assert len(page.value(ROWS)) == 9
    click(page, column=5)
    assert page.value(ROWS) == worst_first
    click(page, column=5)
    assert page.value(ROWS) == best_first


def test_a_phone_sorts_by_choosing(browser, path, study):
    browser.open(path, 390)
    _, best_first = by_map(study)

    def choose(place):
        browser.value(
            f"""{{const sort = document.getElementById("sort"); sort.value = "{place}";
            sort.dispatchEvent(new Event("change"))}}"""
        )
        return browser.value(ROWS)

    assert browser.value("document.getElementById('sort').getClientRects().length") == 1
    assert choose(5) == best_first
    assert choose(0) == sorted(best_first)
    assert choose("") == [variant.name for variant in study.variants]


def test_filter_keeps_rows_with_every_word(page):
    page.value(
        """{const filter = document.getElementById("filter"); filter.value = "focal 16x4";
        filter.dispatchEvent(new Event("input"))}"""
    )

    assert page.value(ROWS) == ["more_frames"]
    assert page.value("document.getElementById('shown').textContent") == "1 of 9 variants"


def test_page_is_never_wider_than_the_screen(page):
    assert page.value("document.documentElement.scrollWidth - innerWidth") <= 0


def test_every_section_is_visible(page):
    heights = page.value(
        """Object.fromEntries([...document.querySelectorAll("section")]
        .map((section) => [section.id, section.getBoundingClientRect().height]))"""
    )

    assert list(heights) == ["table", "charts", "actions", "errors", "coverage", "gallery"]
    assert min(heights.values()) > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_follows_the_theme(browser, path, scheme):
    browser.open(path, 390, scheme)

    paper, ink = (
        sum(int(part) for part in browser.value(expression).strip("rgb()").split(","))
        for expression in (
            "getComputedStyle(document.body).backgroundColor",
            "getComputedStyle(document.querySelector('figure svg')).color",
        )
    )
    assert (paper > ink) == (scheme == "light")
    assert abs(paper - ink) > 450  # of 765


def test_keyboard_skips_to_the_table_and_sorts_it(browser, path, study):
    browser.open(path, 1400)
    active = "document.activeElement.textContent"

    browser.press("Tab")
    assert browser.value(active) == "Skip to the table"
    browser.press("Enter")
    assert browser.value("location.hash") == "#table"
    visited = []
    while len(visited) < 20 and "variant" not in visited:
        browser.press("Tab")
        visited.append(browser.value(active).split("\n")[0])
    browser.press("Enter")

    assert browser.value(ROWS) == sorted(variant.name for variant in study.variants)
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid", (
        "the focused element must be seen"
    )
    heading = "document.querySelector('#ablation th').getAttribute('aria-sort')"
    assert browser.value(heading) == "ascending"
