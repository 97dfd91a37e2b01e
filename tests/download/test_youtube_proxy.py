"""Sections of videos that come through a proxy, which only the environment names."""

import pytest

from pipeline.download.youtube import proxy_for
from pipeline.sources.clip_files import Span
from tests.counter_videos import write_video
from tests.download.test_youtube import reader, shown
from tests.hostile_server import hostile_server


@pytest.fixture
def no_proxies(monkeypatch):
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@pytest.mark.usefixtures("no_proxies")
def test_section_comes_through_the_proxy_of_the_environment(tmp_path, monkeypatch):
    film = write_video(tmp_path / "source.mov", "25", 500, "-movflags", "faststart").read_bytes()
    with hostile_server() as server:
        # A proxy is asked for whole addresses.
        address = "http://films.invalid/abc.mp4"
        for asked in (address, "http://films.invalid:80/abc.mp4"):  # yt-dlp's way, and ffmpeg's
            server.answers[asked] = lambda handler, count: handler.ranged(film, '"v"')
        monkeypatch.setenv("HTTP_PROXY", server.base)

        reader().fetch(address, Span(4, 6), tmp_path / "clip.mp4")

        assert server.counts["http://films.invalid:80/abc.mp4"]

    assert (0, 100) in shown(tmp_path / "clip.mp4")


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://a:1"}, "http://a:1"),
        ({"https_proxy": "http://a:1", "http_proxy": "http://b:1"}, "http://a:1"),
        ({"HTTP_PROXY": "http://b:1", "ALL_PROXY": "http://c:1"}, "http://b:1"),
        ({"ALL_PROXY": "http://c:1"}, "http://c:1"),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "localhost,.site.test"}, None),
        ({"HTTPS_PROXY": "http://a:1", "no_proxy": "*"}, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "other.test"}, "http://a:1"),
    ],
)
def test_proxy_is_the_one_that_the_environment_names(monkeypatch, variables, proxy):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert proxy_for("https://www.site.test/watch?v=abc") == proxy
