"""What the workers of a generation have counted, in memory that all processes of a server share.

Each worker has a row of cells, and writes it at the ticks of its loops.  What a cell counts is its
*key*: the name of a family of `httpd.observe.counters`, and the labels.  See
`httpd.observe.shared_memory`.
"""

from __future__ import annotations

import enum
import json
import mmap
from collections.abc import Iterator, Mapping, Sequence

from httpd.observe.shared_memory import CELL, create_memory, find_kind, open_memory

REQUESTS = "http_requests_total"
BYTES = "http_response_bytes_total"
ACCEPTED = "connections_accepted_total"
REFUSED = "connections_refused_total"
CLOSED = "connections_closed_total"
REFUSE_REASONS = ("max_connections", "clients", "descriptors", "memory")
"""Why clients are not served."""
OTHER = "other"
CLOSE_REASONS = (
    "client closed",
    "client reset",
    "answered",
    "bad request",
    "TLS on a plain port",
    "body too large",
    "service unavailable",
    "keep-alive timeout",
    "header timeout",
    "body timeout",
    "send timeout",
    "too many connections",
    "file changed",
    "read error",
    "drain",
    "drain timeout",
    "too slow for a drain",
    "stop",
    "internal error",
    OTHER,
)
"""Why connections are closed, as the verbose log says it; `OTHER` is any reason that is not here,
such as the text of an error of the system."""
Key = tuple[str, ...]
"""The name of a family, and the labels of a counter in their order."""
_MAGIC = 0x7068747470640202
_NAME = "phttpd.counts."


class _Header(enum.IntEnum):
    MAGIC = 0
    WORKERS = 1
    TEXT_LENGTH = 2
    GENERATION = 3


_TEXT_AT = len(_Header) * CELL


class CountTable:
    """The cells of the workers of a generation.

    The supervisor makes one with `create` before it forks; other processes use `read_tables`.

    Args:
        memory: of the table.

    Attributes:
        generation: its number.
        keys: of the cells of a row, in their order.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        header = memoryview(memory)[:_TEXT_AT].cast("Q")
        self.workers = header[_Header.WORKERS]
        self.generation = header[_Header.GENERATION]
        length = header[_Header.TEXT_LENGTH]
        self.keys = list(_make_keys(**json.loads(memory[_TEXT_AT : _TEXT_AT + length])))
        first = _round_up(_TEXT_AT + length)
        size = self.workers * len(self.keys) * CELL
        self._cells = memoryview(memory)[first : first + size].cast("Q")

    @classmethod
    def create(
        cls, workers: int, sites: Sequence[str], codes: Sequence[int], generation: int
    ) -> CountTable:
        """Make an empty table.

        Args:
            workers: number of worker processes.
            sites: the names of the sites.
            codes: the status codes that responses may have.
            generation: number of the generation.

        Raises:
            OSError: when there is no memory or descriptor for it.
        """
        sites = list(dict.fromkeys(sites))
        text = json.dumps({"sites": sites, "codes": list(codes)}).encode()
        cells = workers * len(list(_make_keys(sites, codes)))
        size = _round_up(_TEXT_AT + len(text)) + cells * CELL

        def fill(memory: mmap.mmap) -> None:
            memory[_TEXT_AT : _TEXT_AT + len(text)] = text
            with memoryview(memory)[:_TEXT_AT].cast("Q") as header:
                header[_Header.MAGIC] = _MAGIC
                header[_Header.WORKERS] = workers
                header[_Header.TEXT_LENGTH] = len(text)
                header[_Header.GENERATION] = generation

        return cls(create_memory(f"{_NAME}{generation}", size, fill))

    def row(self, worker: int) -> memoryview:
        """Return the cells of a worker, one for each of `keys`."""
        size = len(self.keys)
        return self._cells[worker * size : (worker + 1) * size]

    def values(self) -> dict[Key, int]:
        """Return the sums over all workers that are not 0, by key."""
        rows = [self.row(worker).tolist() for worker in range(self.workers)]
        sums = map(sum, zip(*rows, strict=True))
        return {key: value for key, value in zip(self.keys, sums, strict=True) if value}


def _make_keys(sites: Sequence[str], codes: Sequence[int]) -> Iterator[Key]:
    texts = [str(code) for code in codes]
    yield from ((REQUESTS, site, code) for site in sites for code in texts)
    yield from ((BYTES, site) for site in sites)
    yield (ACCEPTED,)
    yield from ((REFUSED, reason) for reason in REFUSE_REASONS)
    yield from ((CLOSED, reason) for reason in CLOSE_REASONS)


def _round_up(size: int) -> int:
    return -(-size // CELL) * CELL


def read_tables(pid: int) -> Mapping[int, CountTable]:
    """Return the tables of a running supervisor, by the number of the generation.

    Raises:
        PermissionError: when the supervisor belongs to another user.
        ProcessLookupError: when there is no such process.
    """
    found = {}
    for path in find_kind(pid, _NAME).values():
        if (memory := open_memory(path, _MAGIC)) is not None:
            table = CountTable(memory)
            found[table.generation] = table  # the descriptor may be that of another one by now
    return found
