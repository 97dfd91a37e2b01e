"""Archives as nobody should publish them; see `hostile_mirror`.

Each would give two clips, <name>-a and <name>-b, if all were well.
"""

import gzip
import os
import random
import tarfile
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile_answers import Answer, random_cuts_of
from tests.hostile_server import Handler, broken_once
from tests.small_archives import member, tar_gz

FIRST, BOTH, NONE = "a", "ab", ""
CLIP_BYTES = 40_960  # whole blocks of a tar

# Where members with absolute names, or with enough "..", would go; a test makes the folder and sees
# that it stays empty. The mirror is a process of its own and imports this again: one name for both.
_FRESH = Path(tempfile.gettempdir(), f"hostile-{uuid.uuid4().hex[:8]}")
ELSEWHERE = Path(os.environ.setdefault("TEST_HOSTILE_ELSEWHERE", str(_FRESH)))
UP_AND_DOWN = "../" * 16 + f"{ELSEWHERE.relative_to(ELSEWHERE.anchor)}/"


def content_of(name: str) -> bytes:
    """Bytes that do not pack, as those of a video."""
    return random.Random(name).randbytes(CLIP_BYTES)


@dataclass(frozen=True)
class Archive:
    """What a host does with one archive.

    Attributes:
        name: without extension.
        does: in words, for the table.
        clips: which of the two clips come.
        trouble: how the line about the archive begins, or empty.
        reasons: clip ("a", "b") to why it was refused.
        answer: to the n-th request, from 1.
    """

    name: str
    does: str
    clips: str
    trouble: str
    answer: Answer
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """For the table."""
        said = {BOTH: "both clips", FIRST: "the clip before", NONE: "no clip"}[self.clips]
        refused = [f"`{reason}`" for reason in self.reasons.values()]
        line = [f"line `{self.trouble}`"] if self.trouble else []
        return "; ".join([said, *refused, *line])


def clip(name: str, which: str) -> str:
    return f"{name}-{which}.mp4"


def pair(name: str, second: str | tarfile.TarInfo | None = None, where: str = "") -> bytes:
    """Both clips; the second under another name or header, both in another folder."""
    other = where + clip(name, "b") if second is None else second
    content = b"" if isinstance(other, tarfile.TarInfo) else content_of(clip(name, "b"))
    return tar_gz((where + clip(name, "a"), content_of(clip(name, "a"))), (other, content))


def serve(content: bytes) -> Answer:
    return lambda handler, count: handler.ranged(content, '"v1"')


def flipped(content: bytes, place: int) -> bytes:
    data = bytearray(content)
    data[place] ^= 0xFF
    return bytes(data)


def special(name: str, kind: bytes, size: int = 0) -> tarfile.TarInfo:
    info = member(clip(name, "b"), kind, "/etc/passwd")
    info.size = size
    return info


def bad_header(name: str) -> bytes:
    plain = bytearray(gzip.decompress(pair(name)))
    plain[512 + CLIP_BYTES] ^= 1  # first letter of the second name
    return gzip.compress(bytes(plain))


def too_large(name: str) -> bytes:
    """The second member claims 16 GB, and the archive ends behind its header."""
    plain = gzip.decompress(tar_gz((clip(name, "a"), content_of(clip(name, "a")))))[
        : 512 + CLIP_BYTES
    ]
    info = member(clip(name, "b"))
    info.size = 16 << 30
    return gzip.compress(plain + info.tobuf(tarfile.GNU_FORMAT))


def endless_name(name: str) -> bytes:
    plain = gzip.decompress(tar_gz((clip(name, "a"), content_of(clip(name, "a")))))[
        : 512 + CLIP_BYTES
    ]
    info = member("long", tarfile.GNUTYPE_LONGNAME)
    info.size = 1 << 33
    return gzip.compress(plain + info.tobuf(tarfile.GNU_FORMAT))


def pax(name: str, record: bytes) -> bytes:
    """The second member has a pax header of this one record."""
    first = gzip.decompress(tar_gz((clip(name, "a"), content_of(clip(name, "a")))))
    info = member("pax", tarfile.XHDTYPE)
    info.size = len(record)
    header = info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(-(-len(record) // 512) * 512, b"\0")
    return gzip.compress(first[: 512 + CLIP_BYTES] + header + first)


def bomb(name: str) -> bytes:
    return tar_gz(("zeros", bytes(80 << 20)), (clip(name, "a"), content_of(clip(name, "a"))))


def changing(name: str) -> Answer:
    content = pair(name)

    def answer(handler: Handler, count: int) -> None:
        if count == 1:
            handler.reply(200, content[:40_000], {"ETag": '"v1"'}, announced=len(content))
        else:
            handler.ranged(content, '"v2"')

    return answer


def without_ranges(name: str) -> Answer:
    content = pair(name)

    def answer(handler: Handler, count: int) -> None:
        size = 40_000 if count == 1 else len(content)
        handler.reply(200, content[:size], {"ETag": '"v1"'}, announced=len(content))

    return answer


NO_FILE = "not a regular file in its archive"
DAMAGED = "archive is damaged"
KINDS = {
    "symlink": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
    "folder": tarfile.DIRTYPE,
}


def packed(
    name: str, does: str, clips: str, trouble: str, make: Callable[[str], bytes], **reasons: str
) -> Archive:
    return Archive(name, does, clips, trouble, serve(make(name)), reasons)


ARCHIVES = [
    packed("sound", "as it should be", BOTH, "", pair),
    packed(
        "traversal",
        "members called ../../x",
        BOTH,
        "",
        lambda n: pair(n, UP_AND_DOWN + clip(n, "b"), where="../../"),
    ),
    packed("absolute", "members called /x", BOTH, "", lambda n: pair(n, where=f"{ELSEWHERE}/")),
    packed("backslash", "members called ..\\x", BOTH, "", lambda n: pair(n, where="..\\..\\")),
    *[
        packed(
            kind.replace(" ", "-"),
            f"a {kind} in place of a clip",
            FIRST,
            "",
            lambda n, code=code: pair(n, special(n, code)),
            b=NO_FILE,
        )
        for kind, code in KINDS.items()
    ],
    packed(
        "duplicate",
        "two members of one name",
        FIRST,
        "",
        lambda n: tar_gz(
            (clip(n, "a"), content_of(clip(n, "a"))), ("y/" + clip(n, "a"), b"second")
        ),
    ),
    packed(
        "nothing-in-it",
        "an empty member",
        FIRST,
        "",
        lambda n: tar_gz((clip(n, "a"), content_of(clip(n, "a"))), (clip(n, "b"), b"")),
        b="empty in its archive",
    ),
    packed(
        "line-break",
        "a name with a line break",
        FIRST,
        "",
        lambda n: pair(n, clip(n, "b").replace("-b", "-b\n")),
    ),
    packed(
        "too-large",
        "a member of 16 GB",
        FIRST,
        "archive ends",
        too_large,
        b=f"{16 << 30} bytes in its archive, more than {4 << 30}",
    ),
    packed("endless-name", "a name of 8 GB", NONE, DAMAGED, endless_name),
    packed(
        "endless-size",
        "a size of 5000 digits",
        NONE,
        DAMAGED,
        lambda n: pax(n, b"5011 size=" + b"9" * 5000 + b"\n"),
    ),
    packed(
        "endless-length",
        "a pax record of a length of 5000 digits",
        NONE,
        DAMAGED,
        lambda n: pax(n, b"9" * 5000 + b" size=1\n"),
    ),
    packed("bomb", "80 MB of zeros in 80 kB", NONE, "archive unpacks to more than", bomb),
    packed(
        "truncated",
        "ends in the middle",
        FIRST,
        "archive ends",
        lambda n: pair(n)[: len(pair(n)) * 3 // 4],
    ),
    packed("flipped", "a wrong byte in a clip", NONE, DAMAGED, lambda n: flipped(pair(n), 40_000)),
    packed("bad-header", "a wrong byte in a header", NONE, DAMAGED, bad_header),
    packed("bad-sum", "a wrong checksum at the end", NONE, DAMAGED, lambda n: flipped(pair(n), -8)),
    packed("gzip-in-gzip", "packed twice", NONE, DAMAGED, lambda n: gzip.compress(pair(n))),
    packed(
        "trailing",
        "something else behind the archive",
        NONE,
        DAMAGED,
        lambda n: pair(n) + b"something else",
    ),
    packed("plain-tar", "a tar that is not packed", BOTH, "", lambda n: gzip.decompress(pair(n))),
    Archive("no-archive", "404", NONE, "HTTP 404", lambda handler, count: handler.reply(404)),
    Archive(
        "page",
        "a page with status 200",
        NONE,
        "an HTML page",
        lambda h, c: h.reply(200, b"<html>", {"Content-Type": "text/html"}),
    ),
    Archive(
        "no-bytes",
        "an empty body",
        NONE,
        "archive ends too early",
        lambda handler, count: handler.reply(200),
    ),
    Archive("breaks", "closes early once", BOTH, "", broken_once(pair("breaks"), 40_000)),
    Archive(
        "breaks-often",
        "closes early at random bytes",
        BOTH,
        "",
        random_cuts_of(pair("breaks-often")),
    ),
    Archive(
        "breaks-no-ranges",
        "closes early once, then ignores ranges",
        BOTH,
        "",
        without_ranges("breaks-no-ranges"),
    ),
    Archive("changes", "another version after closing early", BOTH, "", changing("changes")),
]
