"""Request bodies: where they end (RFC 9112 §6 and §7.1).

A server of files has no use for what is in them.  They are read so that the next request on the
connection begins where the client says that it does.
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

_Steps = Generator[bool, None, None]


class Body:
    """The body of one request, on its way in.

    Args:
        buffer: what was received from the body's first byte on.  The owner adds to it; what belongs
            to the body is dropped from its front.
        length: bytes of the body, or None when it is chunked.
        limit: bytes that it may have, counting the framing of chunks.
    """

    __slots__ = ("_buffer", "_limit", "_room", "_steps")

    def __init__(self, buffer: bytearray, length: int | None, limit: int) -> None:
        self._buffer = buffer
        self._limit = self._room = limit
        self._steps = self._skip_chunks() if length is None else self._skip(length)

    def is_complete(self) -> bool:
        """Drop what has arrived of the body, and tell whether that was the end of it.

        Raises:
            HTTPError: 400 for what is no chunk, 413 for a body over its limit, 431 for too many
                trailer fields.
        """
        return next(self._steps, True)

    # Each step is a generator that yields False while it needs more bytes.

    def _skip_chunks(self) -> _Steps:
        while size := _parse_chunk_line((yield from self._take_line(MAX_CHUNK_LINE))):
            yield from self._skip(size)
            while len(self._buffer) < 2 and b"\r\n".startswith(bytes(self._buffer)):
                yield False
            if self._take(2) != b"\r\n":
                raise HTTPError(400, "A chunk is not as long as it says.")
        yield from self._skip_trailers()

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
        while count > len(self._buffer):
            count -= len(self._take(len(self._buffer)))
            yield False
        self._take(count)

    def _take_line(self, longest: int) -> Generator[bool, None, bytes]:
        """Return the next line without its CRLF."""
        while not (end := self._buffer.find(b"\n", 0, longest) + 1):
            if len(self._buffer) >= longest:
                raise HTTPError(400, "A line of the chunked body is too long.")
            yield False
        line = self._take(end)
        if not line.endswith(b"\r\n"):
            raise HTTPError(400, "A line of the chunked body does not end in CRLF.")
        return line[:-2]

    def _take(self, count: int) -> bytes:
        self._room -= count
        if self._room < 0:
            raise self._too_large()
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _too_large(self) -> HTTPError:
        return HTTPError(413, f"The body of the request is larger than {self._limit} bytes.")


def _parse_chunk_line(line: bytes) -> int:
    match = grammar.CHUNK_LINE.fullmatch(line)
    if not match:
        raise HTTPError(400, "The size of a chunk is not a hexadecimal number.")
    return int(match[1], 16)
