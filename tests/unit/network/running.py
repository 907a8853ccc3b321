"""Runs a real loop in a thread, over a listening socket of its own."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from httpd.gateway.caches import Caches
from httpd.gateway.frontend import Frontend
from httpd.gateway.settings import GatewaySettings
from httpd.gateway.trace import make_gateway
from httpd.network.acceptor import Listeners
from httpd.network.connection import Connection
from httpd.network.listener import Listener
from httpd.network.loop import Loop
from httpd.network.settings import LoopSettings
from httpd.network.transport import Transport
from httpd.network.worker_counts import WorkerCounts
from httpd.observe.access_formats import FORMATS
from httpd.observe.access_log import AccessLog
from httpd.observe.counts import CountTable
from httpd.observe.line_writer import LineWriter
from httpd.observe.log import Log
from httpd.observe.scoreboard import Column, Scoreboard
from httpd.observe.transfers import TransferTable
from httpd.protocol.messages import STATUSES
from httpd.protocol.tally import NO_NAME, Tally
from httpd.site.changes import Changes
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from tests.support.raw import Client
from tests.support.server import DEADLINE, Lines

SETTINGS = LoopSettings(
    recv=65536,
    keepalive_timeout=3600.0,
    header_timeout=3600.0,
    send_timeout=3600.0,
    max_connections=10000,
    max_body=1 << 20,
)
"""No timeout is reached unless a test sets it."""
RULES = (
    Rule(("/ruled/**", "*.ruled"), expires=60, fields=(("X-Ruled", "yes"), ("Server", None))),
    Rule(("/ruled/typed.*",), fields=(("Content-Type", "text/x-own"), ("Expires", None))),
    Rule(("/ruled/bare.*",), fields=(("ETag", None), ("Last-Modified", None))),
    Rule(("/ruled/*.gz",), fields=(("Content-Encoding", "gzip"),)),
)
SHORT = 0.05
"""Seconds of a timeout that a test wants to see reached."""
CLOSED = r"closed: (.*)$"
"""The line of the verbose log for a close, with its reason."""
HUGE = 1 << 34
"""Bytes of the site's /huge.bin, which no socket holds all of."""


def site_settings(docroot: Path, rules: tuple[Rule, ...] = RULES) -> SiteSettings:
    return SiteSettings(
        docroot=str(docroot),
        index=("index.html",),
        expires=43200,
        precompressed=True,
        listing=True,
        rules=rules,
    )


def make_frontend(
    docroot: Path, changes: Changes | None = None, rules: tuple[Rule, ...] = RULES
) -> Frontend:
    settings = replace(site_settings(docroot, rules), changes=changes)
    return Frontend(settings, GatewaySettings(cache=8 * 1024 * 1024))


class RunningLoop:
    """A loop that serves; what it logs can be read line by line."""

    def __init__(
        self,
        docroot: Path,
        settings: LoopSettings,
        board: Scoreboard,
        *,
        verbose: bool = True,
        changes: Changes | None = None,
        rules: tuple[Rule, ...] = RULES,
        transfers: TransferTable | None = None,
    ) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.setblocking(False)
        self.port: int = self.listener.getsockname()[1]
        self.board = board
        self.expects_errors = False
        """Whether the test has provoked an error that the loop reports."""
        self.log, self._log_fd = _pipe_lines()
        self.access, self._access_fd = _pipe_lines()
        log = Log("loop 0.0", self._log_fd, self._log_fd, verbose=verbose)
        access_log = (
            AccessLog(FORMATS["combined"], [LineWriter(self._access_fd, log)]) if verbose else None
        )
        frontend = make_frontend(docroot, changes, rules)
        listeners = Listeners([Listener(self.listener, frontend)], 1)
        self.table = CountTable.create(1, [NO_NAME], sorted(STATUSES), 1)
        self.counts = WorkerCounts(0, board, self.table)
        caches = Caches(frontend.gateway.cache, self.counts.tallies)
        trace = log.debug if verbose and settings.log_cache_level else None
        self.loop = Loop(
            0,
            listeners,
            settings,
            lambda frontend, hooks: make_gateway(
                frontend, caches, hooks, trace, traced=settings.trace, log_trace=log.trace
            ),
            board,
            log,
            access_log,
            transfers,
            self.counts,
        )
        self._thread = threading.Thread(target=self.loop.run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def tally(self) -> Tally:
        """That of the responses with status 200."""
        return self.counts.tallies.find(NO_NAME).find(200)

    def connect(self) -> Client:
        return Client(self.port)

    def drain(self, seconds: float = 3600.0) -> threading.Event:
        """Begin to drain; the event is set when the loop has left the listener."""
        released = threading.Event()
        self.loop.drain(released.set, seconds)
        return released

    def join(self) -> None:
        """Wait for the loop to end by itself."""
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "the loop does not end"

    def close(self) -> None:
        if self._thread.ident is None:  # the loop closes all that it has made
            self.start()
        self.loop.stop()
        self.join()
        self.listener.close()
        os.close(self._log_fd)
        os.close(self._access_fd)
        self.log.rest()
        self.access.rest()


def make_connection(loop: Loop, end: socket.socket) -> Connection:
    """A connection of a loop; the socket, which does not block, is taken over."""
    (gateway,) = loop.gateways.values()
    return Connection(loop.context, Transport(end.detach(), ("127.0.0.1", 1)), gateway)


def _pipe_lines() -> tuple[Lines, int]:
    read_fd, write_fd = os.pipe()
    return Lines(open(read_fd, errors="backslashreplace")), write_fd


@contextmanager
def running_loop(docroot: Path, settings: LoopSettings = SETTINGS) -> Iterator[RunningLoop]:
    """A loop for a `with` block; afterwards it must not have met an error of its own."""
    running = RunningLoop(docroot, settings, Scoreboard.create(1, 1, 1))
    running.start()
    try:
        yield running
    finally:
        running.close()
    errors = [line for line in running.log.rest() if " error " in line]
    assert bool(errors) is running.expects_errors, errors


def is_closed(client: Client) -> bool:
    """Wait until the server closes, in whatever way."""
    try:
        return client.rest() == b""
    except ConnectionResetError:
        return True


def wait_for_connections(running: RunningLoop, count: int) -> None:
    """Serve a client of the test until the loop holds so many other connections."""
    while True:
        with running.connect() as client:
            client.ask("/a.txt")
            if running.board.column(Column.CONNECTIONS)[0] >= count + 1:
                break
    running.log.wait_for("client closed")
