"""The access log: a line per request, with client, time, response, duration and bytes sent.

Each loop has an access log of its own, which collects lines and writes many at once.  Sites may
have files of their own; sites that log to the same file share its lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from httpd.observe.access_formats import Format
from httpd.observe.line_writer import LineWriter

FLUSH_AT = 64 * 1024
"""Bytes after which the collected lines of a file are written."""
RETRY_AT = 8 * 1024
"""Bytes after which to write again, when the reader was too slow for the last lines."""
_MAX_CACHED = 1024
_MAX_HEAD = 1024
"""Requests whose parts of a line are cached, and bytes of a head at the most."""
_Key = tuple[bytes, int, int, int, str]
"""Cache key: head, status, bytes of the body, bytes in all, and site."""
_NO_SITES: Mapping[str, Sequence[LineWriter]] = {}


class AccessLog:
    """The access log of one loop.

    Args:
        line_format: of a line.
        writers: get all lines, each of them, but for those of `own`.
        own: in place of `writers`, those of a site, by its name.
    """

    def __init__(
        self,
        line_format: Format,
        writers: Sequence[LineWriter],
        own: Mapping[str, Sequence[LineWriter]] = _NO_SITES,
    ) -> None:
        self._line, self._format_time, self._describe = line_format
        self._cache: dict[_Key, tuple[bytes, bytes]] = {}
        collectors: dict[LineWriter, _Collector] = {}
        self._collectors = collectors.values()

        def collect(writers: Iterable[LineWriter]) -> list[_Collector]:
            return [collectors.setdefault(one, _Collector(one)) for one in writers]

        self._default = collect(writers)
        self._own = {site: collect(writers) for site, writers in own.items()}
        self._time = b""
        self.tick()

    def tick(self) -> None:
        """Set the time of day, which lines have to the second, and write the collected lines."""
        self._time = self._format_time()
        self.flush()

    def add(
        self,
        peer: bytes,
        head: bytes,
        status: int,
        body: int,
        duration: float,
        sent: int,
        site: str,
    ) -> None:
        """Add the line of one request.

        Args:
            peer: address of the client.
            head: of the request; any bytes, if they could not be parsed.
            status: of the response.
            body: bytes of the body that were sent.
            duration: seconds from the first byte of the request to the last of the response.
            sent: bytes that were sent in all.
            site: name of the site.
        """
        collectors = self._own.get(site, self._default)
        if not collectors:
            return
        key = head, status, body, sent, site
        parts = self._cache.get(key) or self._describe_request(key)
        line = self._line % (peer, self._time, parts[0], duration, parts[1])
        for collector in collectors:
            collector.add(line)

    def _describe_request(self, key: _Key) -> tuple[bytes, bytes]:
        """Return the two parts of a line, and cache them: most requests come again."""
        parts = self._describe(*key)
        if len(key[0]) <= _MAX_HEAD:
            if len(self._cache) == _MAX_CACHED:
                self._cache.clear()
            self._cache[key] = parts
        return parts

    def flush(self, patience: float = 0.0) -> None:
        """Write the collected lines; a writer keeps those that it cannot write now.

        Args:
            patience: seconds to wait for a slow reader of a file.
        """
        for collector in self._collectors:
            collector.flush(patience)


class _Collector:
    """The lines that are to be written to one file.

    Args:
        writer: writes them.
    """

    __slots__ = ("_due", "_lines", "_writer")

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer
        self._lines: list[bytes] = []
        self._due = FLUSH_AT  # bytes to come before the next attempt to write

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._due -= len(line)
        if self._due <= 0:
            self.flush()

    def flush(self, patience: float = 0.0) -> None:
        if not self._lines and not self._writer.is_behind:
            return
        lines = b"".join(self._lines)
        self._lines.clear()
        self._writer.write(lines, patience)
        self._due = RETRY_AT if self._writer.is_behind else FLUSH_AT
