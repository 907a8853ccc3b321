"""The scoreboard: figures of each loop, in memory that all processes of a server share.

Each number has one writer and is eight aligned bytes, so it needs no lock and is never torn.
``phttpd status`` finds the memory (`httpd.observe.shared_memory`) among the descriptors of the
supervisor.  So a status costs the server nothing, and works when the server is stuck.
"""

from __future__ import annotations

import enum
import json
import mmap
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from httpd.observe.shared_memory import CELL, create_memory, find_kind, open_memory

_MAGIC = 0x7068747470640003
MAX_REMARK = 4000
"""Characters that ``phttpd reload`` shows of the outcome; the log has all of it."""
_REMARK_SIZE = 64 * 1024  # JSON has up to twelve bytes for a character
_MOST = 256
"""Workers, and loops of each, at the most."""
_NO_FACTS: Mapping[str, Any] = MappingProxyType({})
_MOST_LOOKS = 1000
"""How often to read the facts, which may be half written; a compromised worker can spoil them."""
_NAME = "phttpd."


class Phase(enum.IntEnum):
    """What a generation of workers is doing."""

    STARTING = 0
    SERVING = 1
    DRAINING = 2
    """A newer generation has taken its place."""
    STOPPING = 3
    """The whole server ends."""


class Mode(enum.IntEnum):
    """What keeps a server from its usual work for a while, or a balancer from using it."""

    PAUSED = 0
    """Every request gets 503 (``phttpd pause``)."""
    MAINTENANCE = 1
    """Likewise, while the file of `maintenance_file` exists."""
    UNREADY = 2
    """Health checks get 503 (``phttpd unready``); all else is served."""
    STARTING = 3
    """Likewise, since not all workers of the first generation serve."""
    STOPPING = 4
    """Likewise, since the server drains, or will do so after `drain_delay`."""


PAUSING = 1 << Mode.PAUSED | 1 << Mode.MAINTENANCE
"""The modes in which no site is served, a bit for each."""


class Column(enum.IntEnum):
    """The figures of each loop."""

    CONNECTIONS = 0
    """Open connections."""
    ACTIVE = 1
    """Connections in the middle of a request, as of the last tick."""
    REQUESTS = 2
    """Responses sent by all loops of the worker, in the row of the first one, as of a tick."""
    SENT = 3
    """Bytes sent, likewise."""
    REMAINING = 4
    """Bytes that downloads in progress have still to send, as of the last tick."""
    TICKS = 5
    """Ticks of the loop's clock, one a second: the number stands still when the loop is stuck."""
    SPARE = 6
    """Idle connections, as of the last tick, without those that were closed to make room since."""
    MODES = 7
    """The modes that the loop is in since its last tick: a bit for each, from the lowest."""


_STATES = (Column.CONNECTIONS, Column.ACTIVE, Column.REMAINING, Column.SPARE, Column.MODES)
"""The columns of which nothing is left when a worker has died; the others go on."""


class _Header(enum.IntEnum):
    MAGIC = 0
    WORKERS = 1
    THREADS = 2
    PHASE = 3
    CHANGES = 4
    TEXT_LENGTH = 5
    DRAINS_AT = 6
    MODES = 7
    """The first of a cell for each mode: since when, in seconds since the epoch, or 0."""


_HEADER_CELLS = _Header.MODES + len(Mode)


class Scoreboard:
    """Rows of numbers for `workers` × `threads` loops, and a few facts about the whole.

    The supervisor makes one with `create` before it forks; other processes use `read_all`.
    """

    def __init__(self, memory: mmap.mmap, workers: int, threads: int) -> None:
        self.workers = workers
        self.threads = threads
        self._memory = memory
        cells = memoryview(memory).cast("Q")
        loops = workers * threads
        self._header = cells[:_HEADER_CELLS]
        self._modes = self._header[_Header.MODES :]
        rest = cells[_HEADER_CELLS:]
        self._columns = [rest[column * loops : (column + 1) * loops] for column in Column]
        self._pids = rest[len(Column) * loops : len(Column) * loops + workers]
        self._text_at = _text_offset(workers, threads)

    @classmethod
    def create(
        cls, workers: int, threads: int, generation: int, lasting: Mapping[str, Any] = _NO_FACTS
    ) -> Scoreboard:
        """Make an empty scoreboard.

        Args:
            workers: number of worker processes.
            threads: number of loops in each.
            generation: tells the scoreboards of one supervisor apart; newer ones have higher
                numbers.
            lasting: facts that have to fit, besides `MAX_REMARK` characters for an outcome.

        Raises:
            OSError: when there is no memory or descriptor for it.
        """
        text_size = -len(_encode(lasting)) // CELL * -CELL + _REMARK_SIZE
        size = _text_offset(workers, threads) + text_size

        def fill(memory: mmap.mmap) -> None:
            with memoryview(memory).cast("Q") as header:
                header[_Header.MAGIC] = _MAGIC
                header[_Header.WORKERS] = workers
                header[_Header.THREADS] = threads

        return cls(create_memory(f"{_NAME}{generation}", size, fill), workers, threads)

    @classmethod
    def private(cls) -> Scoreboard:
        """Make the scoreboard of one loop that no other process reads."""
        return cls(mmap.mmap(-1, _text_offset(1, 1)), 1, 1)

    def column(self, column: Column) -> memoryview:
        """Return the numbers of all loops in one column: loop M of worker N is N × threads + M."""
        return self._columns[column]

    def set_pid(self, worker: int, pid: int) -> None:
        """Set the pid of a worker, and clear what the worker before had open."""
        self._pids[worker] = pid
        first = worker * self.threads
        for column in _STATES:
            for loop in range(first, first + self.threads):
                self._columns[column][loop] = 0

    @property
    def phase(self) -> Phase:
        """What the generation is doing."""
        return Phase(self._header[_Header.PHASE])

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._header[_Header.PHASE] = phase

    def since(self, mode: Mode) -> int:
        """Return since when the server is in a mode, in seconds since the epoch, or 0."""
        return int(self._modes[mode])

    def set_mode(self, mode: Mode, since: int) -> None:
        """Set since when the server is in a mode, or 0; each loop obeys at its next tick."""
        self._modes[mode] = since

    @property
    def drains_at(self) -> int:
        """When the drain begins that was asked for, in seconds since the epoch, or 0."""
        return int(self._header[_Header.DRAINS_AT])

    @drains_at.setter
    def drains_at(self, seconds: int) -> None:
        self._header[_Header.DRAINS_AT] = seconds

    @property
    def modes(self) -> int:
        """The modes that the server is in: a bit for each, from the lowest."""
        return sum(1 << mode for mode in Mode if self._modes[mode])

    @property
    def changes(self) -> int:
        """How many reloads and upgrades have ended; the facts have the outcome of the last one."""
        return int(self._header[_Header.CHANGES])

    def count_changes(self, changes: int) -> None:
        """Set how many reloads and upgrades have ended, after the facts have got the outcome."""
        self._header[_Header.CHANGES] = changes

    @property
    def facts(self) -> dict[str, Any]:
        """Facts that seldom change, such as addresses, docroot and version."""
        for _ in range(_MOST_LOOKS):
            length = self._header[_Header.TEXT_LENGTH]
            try:
                text = self._memory[self._text_at : self._text_at + length]
                return dict(json.loads(text)) if text else {}
            except (ValueError, TypeError, RecursionError):
                continue  # half written
        return {}

    @facts.setter
    def facts(self, facts: Mapping[str, Any]) -> None:
        text = _encode(facts)
        room = len(self._memory) - self._text_at
        if len(text) > room:
            raise ValueError(f"{len(text)} bytes of facts; there is room for {room}")
        self._memory[self._text_at : self._text_at + len(text)] = text
        self._header[_Header.TEXT_LENGTH] = len(text)

    def total(self, column: Column) -> int:
        """Return the sum over all loops."""
        return sum(self._columns[column])

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the figures of every worker and loop, ready for JSON."""
        return [
            {
                "worker": worker,
                "pid": self._pids[worker],
                "loops": [self._row(worker * self.threads + loop) for loop in range(self.threads)],
            }
            for worker in range(self.workers)
        ]

    def _row(self, loop: int) -> dict[str, int]:
        return {column.name.lower(): self._columns[column][loop] for column in Column}


def _encode(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(facts)).encode()


def _text_offset(workers: int, threads: int) -> int:
    return CELL * (_HEADER_CELLS + len(Column) * workers * threads + workers)


def total(boards: Iterable[Scoreboard], column: Column) -> int:
    """Return the sum of a column over all loops of all generations."""
    return sum(board.total(column) for board in boards)


def read_all(pid: int) -> list[Scoreboard]:
    """Return the scoreboards of a running supervisor, the newest first.

    Raises:
        PermissionError: when the supervisor belongs to another user.
        ProcessLookupError: when there is no such process.
    """
    found = sorted(find_kind(pid, _NAME).items(), reverse=True)
    return [board for _, path in found if (board := _read(path)) is not None]


def _read(path: str) -> Scoreboard | None:
    memory = open_memory(path, _MAGIC)
    if memory is None or len(memory) < CELL * _HEADER_CELLS or len(memory) % CELL:
        return None
    header = memoryview(memory).cast("Q")
    workers, threads = header[_Header.WORKERS], header[_Header.THREADS]
    if not 0 < workers <= _MOST or not 0 < threads <= _MOST:
        return None
    if len(memory) < _text_offset(workers, threads):
        return None
    return Scoreboard(memory, workers, threads)
