"""Undo gzip in a way that can be left and taken up again in the middle of a stream.

Python's own zlib cannot: where a deflate block ends, only `inflate(Z_BLOCK)` tells, which it does
not offer. So the zlib of the system is called here; without one, a killed job reads its archive
from the start. (indexed_gzip offers the same, but takes damaged archives for whole ones.)

Source: examples/zran.c of zlib, and zlib.h.
"""

import ctypes
import zlib
from collections import deque
from dataclasses import dataclass
from functools import cache

LIBRARIES = ("libz.so.1", "libz.1.dylib", "libz.so")
WINDOW_BYTES = 1 << 15  # how far back deflate refers
SPACING_BYTES = 4 << 20  # unpacked bytes between two restarts
NUM_RESTARTS = 8  # the last ones are kept: the reader is behind by some
GZIP_WBITS, RAW_WBITS = 16 + zlib.MAX_WBITS, -zlib.MAX_WBITS
Z_OK, Z_STREAM_END, Z_BUF_ERROR, Z_BLOCK = 0, 1, -5, 5
TRAILER_BYTES = 8  # CRC-32 and length of what was packed


@dataclass(frozen=True)
class Restart:
    """A place between two deflate blocks, and all that is needed to go on from it.

    Attributes:
        packed: offset of the first packed byte to read.
        bits, byte: the last `bits` bits of the byte before it belong to the next block.
        plain: unpacked bytes before this place.
        crc: CRC-32 of those.
        window: the last of those.
    """

    packed: int
    bits: int
    byte: int
    plain: int
    crc: int
    window: bytes


class _Stream(ctypes.Structure):
    """`z_stream` of zlib.h."""

    _fields_ = (
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_uint),
        ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint),
        ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_ulong),
        ("reserved", ctypes.c_ulong),
    )


@cache
def _library() -> ctypes.CDLL | None:
    for name in LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.zlibVersion.restype = ctypes.c_char_p
        return library
    return None


def has_library() -> bool:
    """Whether streams can be taken up again on this machine."""
    return _library() is not None


class Inflater:
    """Like `zlib.decompressobj` for one gzip stream, with `restarts`.

    Args:
        restart: begin here instead of at the stream's first byte.
    """

    def __init__(self, restart: Restart | None = None) -> None:
        library = _library()
        assert library is not None
        self._library, self._stream = library, _Stream()
        self.restarts: deque[Restart] = deque(maxlen=NUM_RESTARTS)
        self.eof, self.unused_data, self.unconsumed_tail = False, b"", b""
        self._is_raw, self._trailer = restart is not None, b""
        self._packed, self._plain, self._crc = 0, 0, 0
        self._window, self._byte = b"", 0
        self._inflated = False
        self._room = ctypes.create_string_buffer(1)
        stream = ctypes.byref(self._stream)
        wbits = RAW_WBITS if self._is_raw else GZIP_WBITS
        version, size = library.zlibVersion(), ctypes.sizeof(_Stream)
        self._check(library.inflateInit2_(stream, wbits, version, size))
        if restart is not None:
            self._packed, self._plain, self._crc = restart.packed, restart.plain, restart.crc
            self._window, self._byte = restart.window, restart.byte
            left = restart.byte >> (8 - restart.bits)
            self._check(library.inflatePrime(stream, restart.bits, left))
            window = restart.window
            self._check(library.inflateSetDictionary(stream, window, len(window)))
        self._last_plain = self._plain

    def __del__(self) -> None:
        if self._stream.state:
            self._library.inflateEnd(ctypes.byref(self._stream))

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` unpacked bytes; what of `data` is left is in `unconsumed_tail`,
        or, once `eof` is set, in `unused_data`.

        Raises:
            zlib.error: the data is damaged.
        """
        if self._inflated:
            self._end(data)
            return b""
        if len(self._room) < max_length:
            self._room = ctypes.create_string_buffer(max_length)
        source = ctypes.create_string_buffer(data, len(data))
        room, stream = self._room, self._stream
        stream.next_in, stream.avail_in = ctypes.addressof(source), len(data)
        stream.next_out, stream.avail_out = ctypes.addressof(room), max_length
        made = used = 0
        status = Z_OK
        while stream.avail_out and status == Z_OK and (stream.avail_in or not made):
            status = self._library.inflate(ctypes.byref(stream), Z_BLOCK)
            if status not in (Z_OK, Z_STREAM_END, Z_BUF_ERROR):
                self._check(status)
            now_made, now_used = max_length - stream.avail_out, len(data) - stream.avail_in
            self._crc = zlib.crc32(memoryview(room)[made:now_made], self._crc)
            self._plain += now_made - made
            self._packed += now_used - used
            if now_used:
                self._byte = data[now_used - 1]
            made, used = now_made, now_used
            # 128: behind a block or the header; 64: that was the last block.
            if stream.data_type & 192 == 128:
                self._note_restart(memoryview(room)[:made])
        plain = ctypes.string_at(room, made)
        long = len(plain) >= WINDOW_BYTES
        self._window = plain[-WINDOW_BYTES:] if long else (self._window + plain)[-WINDOW_BYTES:]
        self.unconsumed_tail = data[used:]
        if status == Z_STREAM_END:
            self._inflated, self.unconsumed_tail = True, b""
            self._end(data[used:])
        return plain

    def _note_restart(self, made: memoryview) -> None:
        if self._plain - self._last_plain < SPACING_BYTES:
            return
        self._last_plain = self._plain
        window = (self._window + bytes(made[-WINDOW_BYTES:]))[-WINDOW_BYTES:]
        bits = self._stream.data_type & 7
        self.restarts.append(
            Restart(self._packed, bits, self._byte, self._plain, self._crc, window)
        )

    def _end(self, data: bytes) -> None:
        """Behind the last block: zlib has checked the sums, or, begun in the middle, has not."""
        if self._is_raw:
            missing = TRAILER_BYTES - len(self._trailer)
            self._trailer, data = self._trailer + data[:missing], data[missing:]
            if len(self._trailer) < TRAILER_BYTES:
                self.unconsumed_tail = b""
                return
            sums = self._crc.to_bytes(4, "little"), (self._plain % (1 << 32)).to_bytes(4, "little")
            if self._trailer != b"".join(sums):
                raise zlib.error("Error -3 while decompressing data: incorrect data check")
        self.eof, self.unused_data, self.unconsumed_tail = True, data, b""

    def _check(self, status: int) -> None:
        if status != Z_OK:
            said = (self._stream.msg or b"broken stream").decode("ascii", "replace")
            raise zlib.error(f"Error {status} while decompressing data: {said}")
