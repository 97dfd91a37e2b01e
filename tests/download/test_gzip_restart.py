"""Gzip that is left in the middle and taken up again gives the same bytes and the same refusals."""

import gzip
import random
import zlib

import pytest

from pipeline.download import gzip_restart
from pipeline.download.gzip_restart import Inflater, has_library

pytestmark = pytest.mark.skipif(not has_library(), reason="the system has no zlib")


@pytest.fixture(scope="module")
def plain():
    """Bytes that pack well, then not at all, then well again."""
    chosen = random.Random(5)
    words = [chosen.randbytes(chosen.randint(3, 9)) for _ in range(500)]
    text = b"".join(chosen.choices(words, k=60_000))
    return text + chosen.randbytes(300_000) + text[::-1]


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(gzip_restart, "SPACING_BYTES", 20_000)


def inflate(inflater, packed, size=1000, room=5000):
    """All that comes, and every restart that was offered."""
    plain, restarts, rest = b"", [], b""
    for start in range(0, len(packed), size):
        rest = packed[start : start + size]
        while rest and not inflater.eof:
            plain += inflater.decompress(rest, room)
            restarts += [each for each in inflater.restarts if each not in restarts]
            rest = inflater.unconsumed_tail
        if inflater.eof:
            return plain, restarts, inflater.unused_data + packed[start + size :]
    raise EOFError


def test_every_restart_goes_on_to_the_same_bytes(plain, often):
    packed = gzip.compress(plain)

    whole, restarts, rest = inflate(Inflater(), packed + b"behind")

    assert (whole, rest) == (plain, b"behind")
    assert len(restarts) > 10
    assert {restart.bits for restart in restarts} > {0, 1}  # in the middle of bytes as well
    for restart in restarts:
        again = inflate(Inflater(restart), packed[restart.packed :] + b"behind")
        assert (again[0], again[2]) == (plain[restart.plain :], b"behind")


def test_restart_can_be_followed_by_another(plain, often):
    packed = gzip.compress(plain)
    _, restarts, _ = inflate(Inflater(), packed)

    _, later, _ = inflate(Inflater(restarts[0]), packed[restarts[0].packed :])

    assert later == restarts[1:]


@pytest.mark.parametrize("size", [1, 3, 100_000])
def test_size_of_the_pieces_does_not_matter(plain, often, size):
    plain = plain[:200_000]
    packed = gzip.compress(plain)
    _, restarts, _ = inflate(Inflater(), packed)

    assert inflate(Inflater(), packed, size)[0] == plain
    again = inflate(Inflater(restarts[-1]), packed[restarts[-1].packed :], size)
    assert again[0] == plain[restarts[-1].plain :]


@pytest.mark.parametrize("where", [-8, -1, -2000])
def test_damage_behind_a_restart_is_found(plain, often, where):
    packed = bytearray(gzip.compress(plain))
    _, restarts, _ = inflate(Inflater(), bytes(packed))
    packed[where] ^= 1

    with pytest.raises(zlib.error, match="while decompressing data"):
        inflate(Inflater(restarts[2]), bytes(packed[restarts[2].packed :]))


def test_cut_off_stream_never_ends(plain, often):
    packed = gzip.compress(plain)
    _, restarts, _ = inflate(Inflater(), packed)

    for end in (-1, -9, -3000):
        with pytest.raises(EOFError):
            inflate(Inflater(restarts[1]), packed[restarts[1].packed : end])


def test_what_is_no_gzip_is_refused():
    with pytest.raises(zlib.error, match="incorrect header check"):
        Inflater().decompress(b"PK\x03\x04 and more", 100)
