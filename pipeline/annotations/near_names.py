"""Names that nearly fit: what was probably meant where two files call a video differently."""

import re
from collections.abc import Iterable
from unicodedata import normalize

from pipeline.sources.clip_files import VIDEO_SUFFIXES

SHOWN = 3
_SPAN = re.compile(r"_[0-9]{1,6}_[0-9]{1,6}$")  # of a clip, behind the name of its video
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


def near_misses(names: Iterable[str], known: Iterable[str]) -> list[tuple[str, str]]:
    """Return (name, the known one that nearly fits), for the first `SHOWN` that have one.

    They differ in case, in folder or ending, in separators or leading zeros, or in the span that
    clips have behind the name of their video.
    """
    likely: dict[str, str] = {}
    of_clips: dict[str, str] = {}
    for each in sorted(known, reverse=True):
        likely[_core(each)] = each
        if (video := _SPAN.sub("", each)) != each:
            of_clips[_core(video)] = each
    found = []
    for name in sorted(names):
        core, video = _core(name), _SPAN.sub("", name)
        other = likely.get(core) or (
            of_clips.get(core) if video == name else likely.get(_core(video))
        )
        if other is not None and other != name:
            found.append((name, other))
    return found[:SHOWN]


def in_words(pairs: Iterable[tuple[str, str]]) -> str:
    """Return `; 'c2.mp4' is nearly 'c2'` of pairs from `near_misses`, empty without one."""
    return "".join(f"; {name[:80]!r} is nearly {other[:80]!r}" for name, other in pairs)


def _core(name: str) -> str:
    name = re.split(r"[/\\]", normalize("NFKC", name).strip())[-1].casefold()
    stem, dot, suffix = name.rpartition(".")
    if dot and f".{suffix}" in VIDEO_SUFFIXES:
        name = stem
    return re.sub(r"[\s_.-]+", "", _ZEROS.sub("", name))
