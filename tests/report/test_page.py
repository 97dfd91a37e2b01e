"""The page stands alone, and works in a real browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from pipeline.report.figures import make_charts
from pipeline.report.gallery import make_gallery
from pipeline.report.page import make_page


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
    assert "12 of 18 keyframes of AVA val could be had" in page


def test_names_from_files_cannot_become_markup(study, page):
    assert "<at the waist>" not in page
    assert "stand" in page


LISTEN = """<script>
const errors = [];
window.addEventListener("error", (event) => errors.push(event.message));
console.error = console.warn = (...words) => errors.push(words.join(" "));
</script>"""
PROBE = """<script>{
const rows = () => [...document.querySelectorAll("#ablation tbody tr")].filter((r) => !r.hidden);
const names = () => rows().map((row) => row.cells[0].textContent);
const result = {errors, before: names()};
const measured = document.querySelectorAll("#ablation thead button")[5];
measured.click();
result.ascending = names();
measured.click();
result.descending = names();
const filter = document.getElementById("filter");
filter.value = "focal 16x4";
filter.dispatchEvent(new Event("input"));
result.filtered = names();
result.wide = document.documentElement.scrollWidth > innerWidth;
document.body.textContent = "PROBE" + JSON.stringify(result) + "PROBE";
}</script>"""


@pytest.mark.parametrize("width", [500, 1400])  # 500 px is the narrowest window Chromium opens
def test_browser_sorts_and_filters_the_table(study, page, tmp_path, width):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("needs the program chromium")
    path = tmp_path / "index.html"
    probed = page.replace("<head>", "<head>" + LISTEN).replace("</body>", PROBE + "</body>")
    path.write_text(probed, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    flags += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND"]  # no network
    command = [browser, *flags, path.as_uri()]

    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    result = json.loads(shown.split("PROBE")[1].replace("&lt;", "<").replace("&gt;", ">"))
    by_map = [v.name for v in sorted(study.variants, key=lambda variant: variant.mAP)]
    assert result["errors"] == []
    assert result["before"] == [variant.name for variant in study.variants]
    assert result["ascending"] == by_map
    assert result["descending"] == by_map[::-1]
    assert result["filtered"] == ["more_frames"]
    assert not result["wide"]
