"""Looks at a running daemon again and again: its figures, and its downloads.

The daemon is that of a pidfile.  After an upgrade, the supervisor before is watched as well for as
long as it drains.
"""

from __future__ import annotations

import select
import time
from collections.abc import Hashable
from typing import NamedTuple

from httpd.observe.counters import read_counters
from httpd.observe.counts import BYTES, REQUESTS
from httpd.observe.downloads import Downloads, Look, Rate
from httpd.observe.scoreboard import Column, Phase, Scoreboard, read_all, total
from httpd.observe.transfers import WATCH_SECONDS, TransferTable, find_tables, open_table
from httpd.process.pidfile import find_supervisor

_TICK_SECONDS = 3.0
"""How long to wait for the loops to write their records, as they do once a second."""
_POLL_SECONDS = 0.02
_RENEW_SECONDS = WATCH_SECONDS / 2


class Figures(NamedTuple):
    """A daemon at one moment.

    Args:
        pid: of its supervisor.
        phase: what it is doing.
        facts: those of its scoreboard.
        workers: worker processes that serve.
        threads: loops in each.
        connections: open ones.
        active: connections in the middle of a request.
        remaining: bytes that are still to be sent to these.
        draining: connections in the middle of a request of the generations before.
        draining_bytes: bytes that are still to be sent to these.
        requests_per_second: responses sent, over the last seconds.
        bytes_per_second: bytes sent, heads included.
    """

    pid: int
    phase: Phase
    facts: dict[str, object]
    workers: int
    threads: int
    connections: int
    active: int
    remaining: int
    draining: int
    draining_bytes: int
    requests_per_second: float
    bytes_per_second: float


class _Server:
    """A supervisor, its transfer tables and its counters."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.boards: list[Scoreboard] = []
        self._tables: dict[int, tuple[TransferTable, list[int]]] = {}
        self._counted: tuple[int, int] | None = None

    def look(self) -> list[Look]:
        """Return the transfers, and have them written further; also bring `boards` up to date.

        Raises:
            PermissionError: the supervisor belongs to another user.
            ProcessLookupError: it has ended.
        """
        self.boards = read_all(self.pid)
        found = find_tables(self.pid)
        for generation, path in found.items():
            if generation not in self._tables and (table := open_table(generation, path)):
                self._tables[generation] = table, table.ended_counts()
        looks = []
        for generation in list(self._tables):
            looks.append(self._read(generation, has_ended=generation not in found))
            if generation not in found:
                del self._tables[generation]
        self.renew()
        return looks

    def renew(self) -> None:
        """Have the loops write their records for some more seconds."""
        for table, _ in self._tables.values():
            table.watch(time.monotonic())

    def last_look(self) -> list[Look]:
        """Return what has ended since the last look, of a server that has ended itself."""
        return [self._read(generation, has_ended=True) for generation in self._tables]

    def _read(self, generation: int, *, has_ended: bool) -> Look:
        """Return the transfers of a generation; its table stays readable when it has ended."""
        table, counts = self._tables[generation]
        # Running ones first: a transfer that ends just now is in both, and not in none.
        running = [] if has_ended else table.running()
        return Look((self.pid, generation), running, table.ended_since(counts))

    def count(self) -> tuple[int, int]:
        """Return the responses and bytes that were sent since the last call.

        Raises:
            PermissionError: the supervisor belongs to another user.
            ProcessLookupError: it has ended.
        """
        counters = read_counters(self.pid)
        requests = counters.total(REQUESTS)
        sent = counters.total(BYTES)
        before, self._counted = self._counted or (requests, sent), (requests, sent)
        return max(0, requests - before[0]), max(0, sent - before[1])

    def is_written(self, since: float) -> bool:
        """Tell whether all loops have written their records since a time."""
        return all(at >= since for table, _ in self._tables.values() for at in table.updated_at())


class Watch:
    """Looks at the daemon of a pidfile.

    Args:
        pidfile: path of the pidfile.
        pid: of the supervisor.
    """

    def __init__(self, pidfile: str, pid: int) -> None:
        self.downloads = Downloads()
        self.phase = Phase.STARTING
        """What the supervisor was last seen doing."""
        self._pidfile = pidfile
        self._current = _Server(pid)
        self._servers = {pid: self._current}
        self._requests = self._sent = 0
        started = time.monotonic()
        self._request_rate = Rate(started)
        self._byte_rate = Rate(started)

    @property
    def pid(self) -> int:
        """The pid of the supervisor that serves."""
        return self._current.pid

    def look(self) -> Figures | None:
        """Look once; return None if the daemon has ended.

        Raises:
            PermissionError: it belongs to another user.
        """
        pid = find_supervisor(self._pidfile)
        if pid and pid not in self._servers:  # a successor has taken over
            self._servers[pid] = self._current = _Server(pid)
        looks: list[Look] = []
        for server in list(self._servers.values()):
            try:
                looks += server.look()
                requests, sent = server.count()
                self._requests += requests
                self._sent += sent
            except ProcessLookupError:
                looks += server.last_look()
                del self._servers[server.pid]
        now = time.monotonic()
        self.downloads.fold(now, looks)
        self._request_rate.add(now, self._requests)
        self._byte_rate.add(now, self._sent)
        if self._current.pid not in self._servers or not self._current.boards:
            return None
        return self._figures()

    def _figures(self) -> Figures:
        newest, *older = self._current.boards
        self.phase = newest.phase
        for server in self._servers.values():
            if server is not self._current:
                older += server.boards
        boards = [newest, *older]
        return Figures(
            pid=self._current.pid,
            phase=self.phase,
            facts=newest.facts,
            workers=newest.workers,
            threads=newest.threads,
            connections=total(boards, Column.CONNECTIONS),
            active=total(boards, Column.ACTIVE),
            remaining=total(boards, Column.REMAINING),
            draining=total(older, Column.ACTIVE),
            draining_bytes=total(older, Column.REMAINING),
            requests_per_second=self._request_rate.per_second(),
            bytes_per_second=self._byte_rate.per_second(),
        )

    def pause(self, poll: select.poll, seconds: float) -> list[tuple[int, int]]:
        """Wait for events, and have the loops go on writing their records meanwhile.

        Args:
            poll: what to wait for.
            seconds: how long to wait at the most.

        Returns:
            The events, as `poll` returns them.
        """
        until = time.monotonic() + seconds
        while True:
            left = max(0.0, until - time.monotonic())
            if (events := poll.poll(min(left, _RENEW_SECONDS) * 1000)) or left <= _RENEW_SECONDS:
                return events
            for server in self._servers.values():
                server.renew()

    def wait_for_records(self) -> None:
        """Wait until the loops have written their records, or a loop seems to be stuck."""
        since = time.monotonic()
        while time.monotonic() < since + _TICK_SECONDS:
            if all(server.is_written(since) for server in self._servers.values()):
                return
            select.select([], [], [], _POLL_SECONDS)


def name_loop(source: Hashable, loop: int, threads: int) -> str:
    """Return the name of a loop: generation, worker and loop.

    Args:
        source: of the transfer table: pid and generation.
        loop: index of the loop in the scoreboard.
        threads: loops in each worker.
    """
    generation = source[1] if isinstance(source, tuple) else 0
    return f"{generation}.{loop // threads}.{loop % threads}"
