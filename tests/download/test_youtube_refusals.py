"""What the site's sentences mean."""

import pytest

from pipeline.download.youtube_refusals import may_come_later, reason_for, sort_refusal

# Sentences as YouTube shows them and yt-dlp passes them on.
SENTENCES = {
    "Video unavailable. This video has been removed by the uploader": "gone",
    "Video unavailable": "gone",
    "This video has been removed for violating YouTube's Terms of Service": "gone",
    "Video unavailable. This video is no longer available because the YouTube account associated "
    "with this video has been terminated.": "gone",
    "Video unavailable. This video is no longer available due to a copyright claim by X": "gone",
    "Video unavailable. This video is not available": "gone",
    "Unable to download webpage: HTTP Error 404: Not Found": "gone",
    "Private video. Sign in if you've been granted access to this video. Use --cookies": "private",
    "Video unavailable. This video is private": "private",
    "The uploader has not made this video available in your country": "blocked",
    "Video unavailable. This video contains content from X, who has blocked it in your country on "
    "copyright grounds": "blocked",
    "Video unavailable. This video contains content from X, who has blocked it on copyright "
    "grounds": "blocked",
    "Sign in to confirm your age. This video may be inappropriate for some users.": "blocked",
    "Join this channel to get access to members-only content like this video": "blocked",
    "This video requires payment to watch.": "blocked",
    "This video is DRM protected": "blocked",
    "HTTP Error 451: Unavailable For Legal Reasons": "blocked",
    "Sign in to confirm you’re not a bot. Use --cookies-from-browser or --cookies": "try later",
    "Video unavailable. This content isn’t available, try again later. The current session has "
    "been rate-limited by YouTube for up to an hour.": "try later",
    "Unable to download API page: HTTP Error 429: Too Many Requests": "try later",
    "unable to download video data: HTTP Error 403: Forbidden": "try later",
    "HTTP Error 503: Service Unavailable": "try later",
    "Premieres in 3 hours": "try later",
    "This live event will begin in a few moments.": "try later",
    "The read operation timed out": "try later",
    "Something that nobody has seen before": "try later",
    # As yt-dlp words them itself.
    "Requested format is not available. Use --list-formats for a list of available formats": (
        "try later"
    ),
    'Impersonate target "chrome" is not available. Use --list-impersonate-targets to see available '
    "targets.": "try later",
    "This video is not available from your location due to geo restriction": "blocked",
    "This video is not available in this location": "blocked",
    "This video is not available in your country": "blocked",
    "The channel/playlist does not exist and the URL redirected to youtube.com home page": "gone",
    "This video does not exist.": "gone",
    "This live stream recording is not available.": "gone",
    "This channel was removed because it violated our Community Guidelines.": "gone",
    "This account has been terminated for a violation of YouTube's Terms of Service.": "gone",
    # As the layers below yt-dlp say that they cannot find the host, or lost it.
    "Unable to download webpage: HTTPSConnection(host='www.youtube.com', port=443): Failed to "
    "resolve 'www.youtube.com' ([Errno -2] Name or service not known)": "try later",
    "<urlopen error [Errno -3] Temporary failure in name resolution>": "try later",
    "<urlopen error [Errno -5] No address associated with hostname>": "try later",
    "<urlopen error [Errno 8] nodename nor servname provided, or not known>": "try later",
    "[Errno -2] Name does not resolve": "try later",
    "Name does not exist": "try later",
    "The TLS connection was non-properly terminated.": "try later",
}


@pytest.mark.parametrize(("sentence", "verdict"), SENTENCES.items())
def test_sentence_gives_the_verdict(sentence, verdict):
    assert sort_refusal(sentence) == verdict


def test_reason_is_short_and_without_what_varies():
    said = (
        "ERROR: [youtube] dQw4w9WgXcQ: Private video. Sign in if you've been granted access to "
        "this video. Use --cookies-from-browser or --cookies for the authentication."
    )

    assert reason_for(said) == (
        "private: Private video. Sign in if you've been granted access to this video"
    )


def test_reason_has_no_line_break_and_an_end():
    reason = reason_for("Strange\n\x1b[0;31mthing " + "x" * 500)

    assert reason.startswith("try later: Strange thing xxx")
    assert len(reason) <= 140


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("gone: x", False),
        ("not in folder v; gone: x", False),
        ("not in names.txt; try later: y", True),
        ("blocked: x; empty in its archive", True),
        ("HTTP 404", False),
    ],
)
def test_reasons_that_may_pass_are_known_again(reason, expected):
    assert may_come_later(reason) is expected
