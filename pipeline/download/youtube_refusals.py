"""What YouTube's refusals mean: whether it is worth asking again, and when.

YouTube tells by sentences only. They are matched as yt-dlp passes them on; a sentence that nobody
knows counts as "try later", so that no clip is given up by mistake.
"""

import re
from typing import Literal

Verdict = Literal["gone", "private", "blocked", "try later"]

# Asking again will never help; a blocked video may come from another place or with cookies.
FINAL: tuple[Verdict, ...] = ("gone", "private")

# The first that matches decides: "Video unavailable" also opens sentences that say more.
SENTENCES: tuple[tuple[Verdict, str], ...] = (
    (
        "try later",
        r"not a bot|rate.?limited|try again later|http error (403|408|425|429|5\d\d)|timed out"
        r"|premieres in|live event|captcha|too many requests"
        # The network, or formats that come and go with what YouTube is trying out: not the video.
        r"|requested format|on this app|impersonate target|failed to resolve|could not resolve"
        r"|name or service|name resolution|name does not|no address associated"
        r"|nodename nor servname|getaddrinfo",
    ),
    ("private", r"private video|video is private|granted access"),
    (
        "blocked",
        r"(in|from) (your|this) (country|location|region|area)|your region|geo.?restrict"
        r"|confirm your age"
        r"|age.restricted|inappropriate for some|members.only|join this channel|blocked it"
        r"|requires payment|premium|drm protected|http error (401|451)|sign in to",
    ),
    (
        "gone",
        r"removed|no longer available|(account|channel).* terminated|video unavailable"
        r"|(video|channel|playlist|page|account) does not exist"
        r"|(video|recording|content) is(n't| not) available|deleted|closed (their|its) account"
        r"|http error (404|410)|unsupported url",
    ),
)

LONGEST_REASON = 120


def sort_refusal(message: str) -> Verdict:
    """Return the verdict on what yt-dlp said."""
    said = message.lower().replace("’", "'")  # YouTube writes typographic apostrophes
    for verdict, pattern in SENTENCES:
        if re.search(pattern, said):
            return verdict
    return "try later"


def reason_for(message: str) -> str:
    """Return the verdict and the first words of what was said, for a cell of a table."""
    said = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", message).removeprefix("ERROR: ").split())
    said = re.sub(r"^(\[[^\]]*\] )?([\w-]+: )?", "", said, count=1) or said
    said = re.split(r"\.? (?:Use --|See  ?http|please report|\(caused by)", said)[0]
    return f"{sort_refusal(message)}: {said[:LONGEST_REASON].rstrip(' .;')}"


def may_come_later(reason: str) -> bool:
    """Return whether a reason for a missing clip holds a verdict that is not final."""
    return any(f"{verdict}: " in reason for verdict, _ in SENTENCES if verdict not in FINAL)
