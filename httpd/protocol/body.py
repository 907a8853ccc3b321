"""Request bodies: where they end (RFC 9112 §6 and §7.1).

A server of files does not use the content of a body.  The body is read to find where the next
request on the connection begins.
"""

from __future__ import annotations

from collections.abc import Generator

from httpd.protocol import grammar
from httpd.protocol.messages import HTTPError
from httpd.protocol.parser import MAX_FIELDS

MAX_CHUNK_LINE = 1024
"""Bytes of a line that gives the size of a chunk, with its CRLF."""
MAX_TRAILER_LINE = 8 * 1024
"""Bytes of a line of the trailer section, with its CRLF."""

CHUNKS = 64
"""The most chunks that one call skips, so that the work of a turn is bounded."""
MAX_EXCESS = 16 * 1024
"""Bytes by which the framing of the chunks may exceed their data (RFC 9112 §7.1.1)."""

_Steps = Generator[bool, None, None]


class Body:
    """The body of one request, on its way in.

    Args:
        buffer: the received bytes, beginning with the first byte of the body.  The owner appends
            to the buffer; the bytes of the body are deleted from its front.
        length: bytes of the body, or None when it is chunked.
        limit: bytes that it may have, counting the framing of chunks.
    """

    __slots__ = ("_buffer", "_chunks_left", "_limit", "_room", "_steps")

    def __init__(self, buffer: bytearray, length: int | None, limit: int) -> None:
        self._buffer = buffer
        self._limit = self._room = limit
        self._chunks_left = CHUNKS
        self._steps = self._skip_chunks() if length is None else self._skip(length)

    def is_complete(self) -> bool:
        """Drop the bytes of the body that have arrived, and tell whether the body has ended.

        Raises:
            HTTPError: 400 for a malformed chunk or for chunks with hardly any data, 413 for a body
                over its limit, 431 for too many trailer fields.
        """
        self._chunks_left = CHUNKS
        return next(self._steps, True)

    @property
    def is_paused(self) -> bool:
        """Whether the last call stopped after `CHUNKS` chunks; the next one needs no more bytes."""
        return not self._chunks_left

    # Each step is a generator that yields False while it needs more bytes, or another call.

    def _skip_chunks(self) -> _Steps:
        excess = 0
        while size := _parse_chunk_line(line := (yield from self._take_line(MAX_CHUNK_LINE))):
            excess += len(line) + 4 - size
            if excess > MAX_EXCESS:
                raise HTTPError(400, "The chunks of the body have more framing than data.")
            if not self._skip_at_once(size):
                yield from self._skip(size)
                yield from self._skip_line_end()
            self._chunks_left -= 1
            if not self._chunks_left:
                yield False
        yield from self._skip_trailers()

    def _skip_at_once(self, size: int) -> bool:
        """Skip the data of a chunk and its CRLF if all is here, as mostly; tell whether it was."""
        if self._buffer[size : size + 2] != b"\r\n" or size > self._room:
            return False
        self._drop(size + 2)
        return True

    def _skip_line_end(self) -> _Steps:
        while len(self._buffer) < 2 and b"\r\n".startswith(bytes(self._buffer)):
            yield False
        if self._buffer[:2] != b"\r\n":
            raise HTTPError(400, "A chunk is not as long as it says.")
        self._drop(2)

    def _skip_trailers(self) -> _Steps:
        for _ in range(MAX_FIELDS + 1):
            line = yield from self._take_line(MAX_TRAILER_LINE)
            if not line:
                return
            if not grammar.FIELD_LINE.fullmatch(line):
                raise HTTPError(400, "A trailer line is not a name, a colon and a value.")
        raise HTTPError(431, f"The request has more than {MAX_FIELDS} trailer fields.")

    def _skip(self, count: int) -> _Steps:
        if count > self._room:
            raise self._too_large()
        while count > (available := len(self._buffer)):
            self._drop(available)
            count -= available
            yield False
        self._drop(count)

    def _take_line(self, longest: int) -> Generator[bool, None, bytes]:
        """Return the next line without its CRLF."""
        buffer = self._buffer
        while not (end := buffer.find(b"\n", 0, longest) + 1):
            if len(buffer) >= longest:
                raise HTTPError(400, "A line of the chunked body is too long.")
            yield False
        line = bytes(buffer[:end])
        self._drop(end)
        if not line.endswith(b"\r\n"):
            raise HTTPError(400, "A line of the chunked body does not end in CRLF.")
        return line[:-2]

    def _drop(self, count: int) -> None:
        self._room -= count
        if self._room < 0:
            raise self._too_large()
        del self._buffer[:count]

    def _too_large(self) -> HTTPError:
        return HTTPError(413, f"The body of the request is larger than {self._limit} bytes.")


def _parse_chunk_line(line: bytes) -> int:
    match = grammar.CHUNK_LINE.fullmatch(line)
    if not match:
        raise HTTPError(400, "The size of a chunk is not a hexadecimal number.")
    return int(match[1], 16)
