"""A worker process: a fixed pool of threads, each an event loop.

The main thread serves no requests.  It waits for messages of the supervisor, for signals, and for
the end of the loops.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from httpd.files.faults import (
    NO_TARGET,
    NOT_YET,
    describe_fault,
    describe_target_fault,
    find_fault,
    find_target_fault,
)
from httpd.files.file_cache import MAX_OPEN_FILES
from httpd.gateway.caches import Caches
from httpd.gateway.frontend import Frontend
from httpd.gateway.interface import AnyGateway, Hooks
from httpd.gateway.trace import make_gateway
from httpd.network.acceptor import Listeners
from httpd.network.listener import Listener
from httpd.network.loop import Loop
from httpd.network.settings import LoopSettings
from httpd.network.worker_counts import WorkerCounts
from httpd.observe.access_formats import SHORT, choose_format
from httpd.observe.access_log import AccessLog
from httpd.observe.counts import CountTable
from httpd.observe.line_writer import LineWriter
from httpd.observe.log import Log, name_thread
from httpd.observe.scoreboard import Phase, Scoreboard
from httpd.observe.settings import LogSettings
from httpd.observe.transfers import TransferTable
from httpd.process.change_watch import ChangeWatch
from httpd.process.channel import Channel, Message, use_files
from httpd.process.descriptors import make_room
from httpd.process.errors import EX_NOINPUT, EX_NOPERM, EX_OK, EX_WORKER
from httpd.process.log_files import LogFile
from httpd.process.privileges import drop_privileges
from httpd.process.settings import ProcessSettings
from httpd.process.signals import SWITCHES, SignalInbox
from httpd.process.status_text import describe_unready

ERROR_PAUSE = 0.1
"""Seconds without work after an unexpected failure of a system call, which may happen again."""
ORPHAN_SECONDS = 5.0
"""How long a worker finishes requests in progress when the supervisor was killed."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker needs to know.

    Args:
        process: how many loops it has, whose process it becomes, and how long it drains.
        loop: for each of the loops.
        frontend: what is served; `cache` is the share of this worker.
        log: what its log is like.
        new_docroots: what messages call the docroots without which a generation is given up when it
            starts.
    """

    process: ProcessSettings
    loop: LoopSettings
    frontend: Frontend
    log: LogSettings
    new_docroots: frozenset[str] = frozenset()


class Tables(NamedTuple):
    """What the loops of a generation publish, in memory that all processes of the server share.

    Args:
        board: figures of each loop.
        transfers: the running downloads, while they are watched.
        counts: what was counted.
    """

    board: Scoreboard
    transfers: TransferTable
    counts: CountTable


def run_worker(
    index: int,
    settings: WorkerSettings,
    listeners: Sequence[Listener],
    access_logs: Mapping[str, LogFile],
    tables: Tables,
    channel: Channel,
    log: Log,
) -> int:
    """Serve until the supervisor ends the worker or has ended itself; return the exit status.

    Args:
        index: number of the worker, from 0.
        settings: see `WorkerSettings`.
        listeners: shared with the other workers.
        access_logs: likewise, by where they lead.
        tables: shared with all processes of the server.
        channel: the worker's end of the channel to the supervisor.
        log: for messages and, if verbose, the requests.
    """
    inbox = SignalInbox(
        [signal.SIGTERM],
        ignored=[
            *(signal.SIGINT, signal.SIGQUIT),  # a terminal sends these to the whole group
            *(signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
            *SWITCHES,
        ],
    )
    brief = settings.log.access_log_format == SHORT
    log = replace(log, role=f"worker {index}", brief=brief, lost={})
    name_thread(log.role)
    try:
        drop_privileges(settings.process.user, settings.process.group)
        os.readlink("/proc/self/fd/0")  # the docroot finds out paths of open files by it
        for label, docroot in settings.frontend.docroots.items():
            if not (fault := find_fault(docroot)):
                continue
            text = describe_fault(label, fault)
            if label in settings.new_docroots and tables.board.phase is Phase.STARTING:
                status = EX_NOPERM if isinstance(fault, PermissionError) else EX_NOINPUT
                channel.send(Message.FAILED, f"{status} {text}")
                return status
            if index == 0:  # the other workers find the same fault
                log.warning(f"{text}; {NOT_YET}")
        for path in settings.frontend.link_targets if index == 0 else ():
            if fault := find_target_fault(path):
                log.warning(f"{describe_target_fault(path, fault)}; {NO_TARGET}")
        worker = _Worker(index, settings, listeners, access_logs, tables, channel, log)
    except OSError as error:
        status = EX_NOPERM if isinstance(error, PermissionError) else EX_WORKER
        channel.send(Message.FAILED, f"{status} {error.strerror}: {error.filename}")
        return status
    return worker.run(inbox)


class _Worker:
    def __init__(
        self,
        index: int,
        settings: WorkerSettings,
        listeners: Sequence[Listener],
        access_logs: Mapping[str, LogFile],
        tables: Tables,
        channel: Channel,
        log: Log,
    ) -> None:
        threads = settings.process.threads
        self._listeners = Listeners(listeners, threads)
        self._access_logs = access_logs
        self._channel = channel
        self._log = log
        self._failed = False
        self._draining = False
        self._drain_timeout = settings.process.drain_timeout
        self._orphan_until = float("inf")
        self._lock = threading.Lock()
        self._watching = threads
        self._running = threads
        self._ended = os.eventfd(0, os.EFD_CLOEXEC)
        self._counts = WorkerCounts(index, tables.board, tables.counts)
        self._caches = {
            frontend: Caches(frontend.gateway.cache, self._counts.tallies)
            for frontend in self._listeners.frontends()
        }
        site = settings.frontend.site
        self._change_watch = (
            ChangeWatch(site.docroot, site.changes, log) if site.changes is not None else None
        )
        make_room(settings.loop.max_connections + MAX_OPEN_FILES + len(access_logs))
        self._loops = [
            self._make_loop(index, number, settings, tables) for number in range(threads)
        ]

    def _make_loop(self, index: int, number: int, settings: WorkerSettings, tables: Tables) -> Loop:
        log = self._log.named(f"loop {index}.{number}")
        row = index * settings.process.threads + number
        return Loop(
            row,
            self._listeners,
            settings.loop,
            partial(self._make_gateway, settings.loop, log, tables.board),
            tables.board,
            log,
            self._make_access_log(log, settings),
            tables.transfers,
            self._counts,
        )

    def _make_gateway(
        self, settings: LoopSettings, log: Log, board: Scoreboard, frontend: Frontend, hooks: Hooks
    ) -> AnyGateway:
        trace = log.debug if log.verbose and settings.log_cache_level else None
        find_why_not = partial(describe_unready, board)
        caches = self._caches[frontend]
        return make_gateway(frontend, caches, hooks, trace, find_why_not, settings.trace, log.trace)

    def _make_access_log(self, log: Log, settings: WorkerSettings) -> AccessLog | None:
        """Return the access log of a loop.

        The lines of a site lead to the verbose log, to the `access_log` of the site or that of all
        others, or to both.
        """
        verbose = [LineWriter(log.output, log)] if log.verbose else []
        top = settings.log.access_log
        sites = settings.frontend.gateway.sites
        own = {one.name: one.access_log.target for one in sites if one.access_log is not None}
        if not verbose and not any((top, *own.values())):
            return None
        by_file = {_identify(one.fd): one for one in verbose}
        by_target = {
            target: by_file.setdefault(
                _identify(file.fd), LineWriter(file.fd, log, f"the access log {target}")
            )
            for target, file in self._access_logs.items()
        }

        def writers_for(target: str | None) -> list[LineWriter]:
            return list(dict.fromkeys((*verbose, *([by_target[target]] if target else ()))))

        return AccessLog(
            choose_format(settings.log.access_log_format, [one.fd for one in by_file.values()]),
            writers_for(top),
            {site: writers_for(target) for site, target in own.items()},
        )

    def run(self, inbox: SignalInbox) -> int:
        if self._change_watch is not None:
            self._change_watch.start(self._loops)
        for loop in self._loops:
            threading.Thread(target=self._run_loop, args=(loop,), daemon=True).start()
        self._channel.send(Message.READY)
        poll = select.poll()
        for source in (inbox, self._channel, self._ended):
            poll.register(source, select.POLLIN)
        while self._running:
            try:
                for fd, _ in poll.poll(self._timeout()):
                    self._on_event(fd, inbox, poll)
            except OSError as error:
                self._log.error(f"the worker goes on after an error: {error}")
                time.sleep(ERROR_PAUSE)
            if self._orphan_until <= time.monotonic():
                self._stop()
        return EX_WORKER if self._failed else EX_OK

    def _on_event(self, fd: int, inbox: SignalInbox, poll: select.poll) -> None:
        if fd == inbox.fileno():
            inbox.take()
            self._drain(self._drain_timeout)
        elif fd == self._channel.fileno():
            self._obey(poll)
        else:
            os.eventfd_read(self._ended)

    def _timeout(self) -> float | None:
        """Return how many milliseconds to wait for an event, or None for as long as it takes."""
        if self._orphan_until == float("inf"):
            return 1000 if self._draining else None  # a loop may fail to report its end
        return max(0.0, self._orphan_until - time.monotonic()) * 1000 + 1

    def _run_loop(self, loop: Loop) -> None:
        try:
            loop.run()
        except BaseException:
            loop.log.error(f"internal error, the worker ends: {traceback.format_exc()}")
            self._failed = True
            for other in self._loops:
                other.stop()
        with self._lock:
            self._running -= 1
        try:
            os.eventfd_write(self._ended, 1)
        except OSError:
            pass  # `run` checks once a second

    def _obey(self, poll: select.poll) -> None:
        received = self._channel.receive()
        if received is None:  # the supervisor has ended, and could not stop this worker later
            poll.unregister(self._channel)
            self._drain(ORPHAN_SECONDS)
            self._orphan_until = time.monotonic() + ORPHAN_SECONDS
            return
        message, text, fds = received
        if message is Message.DRAIN:
            self._drain(float(text))
        elif message is Message.STOP:
            self._stop()
        elif message is Message.LOG:
            use_files(text, fds)

    def _drain(self, seconds: float) -> None:
        """Begin to drain, or shorten a drain that has begun.

        Args:
            seconds: how long the drain may take at the most.
        """
        is_first, self._draining = not self._draining, True
        for loop in self._loops:
            if is_first:
                loop.drain(self._leave_listeners, seconds)
            else:
                loop.limit_drain(seconds)

    def _stop(self) -> None:
        self._drain(0)
        for loop in self._loops:
            loop.stop()

    def _leave_listeners(self) -> None:
        """Count a loop that accepts no more connections; the last one closes the listeners.

        Once the last worker has closed them, the kernel refuses new connections.
        """
        with self._lock:
            self._watching -= 1
            if not self._watching:
                self._listeners.close()
                self._channel.send(Message.LEFT)


def _identify(fd: int) -> tuple[int, int]:
    """Return what tells the file of a descriptor apart from all others."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
