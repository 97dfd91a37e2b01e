"""Names and passwords in addresses are used, and never written down."""

import logging

import pytest

from pipeline.core.secrets import HideSecrets, hide_secrets


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("http://user:pass@host/a.mp4", "http://host/a.mp4"),
        ("https://token@host:8080/a?b=c", "https://host:8080/a?b=c"),
        ("http://us%40er:p%2Fss@host", "http://host"),
        ("http://user:p@ss@host/x", "http://host/x"),
        ("{mirror}/a@b.mp4", "{mirror}/a@b.mp4"),
        ("http://host/@user/a.mp4", "http://host/@user/a.mp4"),
        ("ask http://a:b@h/x, then ftp://c@i/y", "ask http://h/x, then ftp://i/y"),
        ("/data/a@b.mp4", "/data/a@b.mp4"),
    ],
)
def test_what_stands_before_the_host_is_hidden(text: str, hidden: str) -> None:
    assert hide_secrets(text) == hidden


def test_log_lines_name_no_password() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s: gone", ("http://u:p@h/f",), None)

    HideSecrets().filter(record)

    assert record.getMessage() == "http://h/f: gone"
