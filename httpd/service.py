"""From settings to a running server: log, pidfile, listeners, plan and supervisor.

The only module that knows all settings; it passes each part of the server its own.  Called by
`httpd.cli`.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from httpd import __version__
from httpd.advice import advise
from httpd.configuration import Settings, changed_keys
from httpd.gateway.frontend import Frontend
from httpd.monitor.addresses import to_listen
from httpd.monitor.server import MonitorOptions, run_monitor
from httpd.network.listener import Listener, format_url, open_listeners, set_options
from httpd.network.settings import ListenSettings
from httpd.network.unix_listener import discard
from httpd.observe.log import Log, is_journal, name_thread
from httpd.observe.report import format_time
from httpd.process.descriptors import raise_descriptor_limit
from httpd.process.errors import (
    EX_CONFIG,
    EX_NOINPUT,
    EX_NOPERM,
    EX_UNAVAILABLE,
    StartError,
    status_of,
)
from httpd.process.log_files import Console, LogFile, open_log_file
from httpd.process.notify import Notifier
from httpd.process.pidfile import Pidfile, find_supervisor
from httpd.process.plan import PASSED, Endpoint, MonitorPlan, Plan
from httpd.process.port_owner import describe_owner
from httpd.process.predecessor import Predecessor
from httpd.process.preload import preload
from httpd.process.safe_path import make_directory_of
from httpd.process.signals import SignalInbox, make_inbox
from httpd.process.successor import Command, Successor
from httpd.process.supervisor import Supervisor
from httpd.process.worker import WorkerSettings
from httpd.settings.errors import ConfigError
from httpd.settings.log_target import JOURNAL, STDOUT

_EVERY_ADDRESS = ("[::]", "0.0.0.0")
_STDOUT, _STDERR = 1, 2
_NEXT_START = "this comes into force with the next start"
_PASSED_SOCKETS = "the sockets of the service manager are used instead"


class Service:
    """A server with one configuration, through all of its reloads.

    Args:
        reload: returns the settings as they are now; raises ConfigError.
        settings: the settings to start with.
        command: how this program was started, for an upgrade.
        passed: listening sockets that the service manager or a predecessor has opened.
        predecessor: the supervisor that passed them, or None: the service manager did, and they are
            used instead of host and port.
        opened: listening sockets of host and port that this process has opened already.
    """

    def __init__(
        self,
        reload: Callable[[], Settings],
        settings: Settings,
        command: Command,
        passed: Sequence[socket.socket],
        predecessor: Predecessor | None,
        opened: Sequence[socket.socket] = (),
    ) -> None:
        self._reload = reload
        self._settings = settings
        self._command = command
        self._passed = predecessor.recognise(passed) if predecessor else passed
        self._predecessor = predecessor
        self._opened = opened
        self._pidfile = Pidfile(settings.process.pidfile) if settings.process.pidfile else None
        self._console = Console()
        self._started = format_time(int(time.time()))

    def run(self, on_ready: Callable[[], None]) -> int:
        """Serve until a signal ends it, and return the exit status.

        Args:
            on_ready: called once, when all workers serve.

        Raises:
            StartError: when the server cannot start.
        """
        inbox = make_inbox()  # first, so that no signal interrupts the next steps
        path = self._settings.process.pidfile
        pidfile = self._pidfile
        replaces = pidfile is not None and self._is_of_predecessor(path)
        if pidfile:
            pidfile.prepare() if replaces else pidfile.acquire()

        def take_over() -> None:
            if pidfile and replaces:
                pidfile.replace()
            on_ready()

        try:
            return self._supervise(inbox, take_over)
        finally:
            if pidfile:
                pidfile.release()
            inbox.ignore_all()  # a late signal must not change the exit status

    def _restore_pidfile(self) -> None:
        if self._pidfile:
            self._pidfile.restore()

    def _is_of_predecessor(self, pidfile: str | None) -> bool:
        if pidfile is None or self._predecessor is None:
            return False
        return find_supervisor(pidfile) == self._predecessor.pid

    def _supervise(self, inbox: SignalInbox, on_ready: Callable[[], None]) -> int:
        log = self._open_log()
        try:
            return self._serve(log, inbox, on_ready)
        finally:
            self._console.close(log)

    def _serve(self, log: Log, inbox: SignalInbox, on_ready: Callable[[], None]) -> int:
        name_thread("supervisor")
        log.notice(f"Using Python {sys.version.split()[0]} to run phttpd {__version__}")
        _warn_of_interpreter(log)
        preload()
        raise_descriptor_limit()
        if not self._predecessor:
            for listener in self._passed:
                log.notice(f"listening at {format_url(listener)}, opened by the service manager")
        supervisor = Supervisor(
            self._make_plan,
            open_log_file,
            log,
            inbox,
            Notifier.from_environment(os.environ, is_main=self._predecessor is None),
            lambda plan, modes: Successor.start(self._command, plan, log, modes),
            self._restore_pidfile,
            self._predecessor,
        )
        return supervisor.run(on_ready)

    # ---------------------------------------------------------------- the log

    def _open_log(self) -> Log:
        settings = self._settings.log
        if settings.log_file:
            output = errors = open_log_file(settings.log_file)
        else:
            output, errors = self._console.open(_STDOUT), self._console.open(_STDERR)
        journal = tuple(fd for fd in (output, errors) if is_journal(fd))
        return Log("supervisor", output, errors, settings.verbose, journal)

    # ---------------------------------------------------------------- the plan

    def _make_plan(self, previous: Plan | None) -> Plan:
        settings = self._settings if previous is None else self._load()
        log_fd, log_file = None, settings.log.log_file
        with ExitStack() as opened:
            if previous is not None and log_file not in (previous.log.log_file, None):
                log_fd = open_log_file(log_file)
                opened.callback(os.close, log_fd)
            worker = _worker_settings(settings, previous)
            access_logs = self._open_access_logs(settings.log_targets, previous, opened)
            monitor = self._plan_monitor(settings, previous, opened)
            listeners = self._find_listeners(settings, worker.frontend, previous)
            opened.pop_all()
        return Plan(
            worker=worker,
            listeners=listeners,
            listen=settings.listen,
            facts=self._facts(settings, listeners.values(), monitor),
            access_logs=access_logs,
            log_fd=log_fd,
            remarks=_remarks(self._settings, settings, has_own_sockets=PASSED not in listeners),
            monitor=monitor,
        )

    def _open_access_logs(
        self, targets: Iterable[str], previous: Plan | None, opened: ExitStack
    ) -> dict[str, LogFile]:
        """Return the access logs by where they lead, opened where none of the same path is open."""
        files: dict[str, LogFile] = {}
        present = previous.access_logs if previous is not None else {}
        for target in targets:
            if target in (JOURNAL, STDOUT):
                files[target] = LogFile(self._console.open(_STDOUT), is_console=True)
            else:
                files[target] = _open_log(target, present, opened)
        return files

    def _plan_monitor(
        self, settings: Settings, previous: Plan | None, opened: ExitStack
    ) -> MonitorPlan | None:
        """Return the plan of the monitor, with its sockets open if no predecessor has them."""
        address, clients = settings.monitoring.monitor, settings.monitoring.monitor_clients
        log_path = settings.monitoring.downloads_log
        if address is None:
            return None
        listen = to_listen(address)
        before = previous.monitor if previous is not None else None
        logs: dict[str, LogFile] = {}
        if log_path is not None:
            open_logs = before.logs if before is not None else {}
            logs[log_path] = _open_log(log_path, open_logs, opened)
        log_fd = logs[log_path].fd if log_path is not None else None
        process = settings.process
        options = MonitorOptions(address, clients, process.user, process.group, log_fd)
        present = before.sockets if before is not None else []
        open_sockets = partial(_open_listeners, listen, present)
        plan = MonitorPlan(options, listen, [], logs, open_sockets, partial(run_monitor, options))
        may_wait = self._predecessor is not None if previous is None else before is not None
        try:
            plan.sockets += open_sockets()
        except StartError:
            if present or not may_wait:
                raise
        opened.callback(discard, [one for one in plan.sockets if one not in present])
        return plan

    def _find_listeners(
        self, settings: Settings, frontend: Frontend, previous: Plan | None
    ) -> dict[Endpoint, list[Listener]]:
        """Return the listeners by endpoint, opened where none of the same address is open."""
        present: Sequence[socket.socket] = self._passed
        has_own = self._predecessor is not None and self._predecessor.endpoint is not None
        if previous is not None:
            present, has_own = previous.sockets, PASSED not in previous.listeners
        if present and not has_own:
            if previous is None and self._predecessor is None:
                for one in present:
                    set_options(one, settings.listen)
            return {PASSED: [Listener(one, frontend) for one in present]}
        sockets = _open_listeners(settings.listen, present or self._opened)
        if previous is None:
            self._close_unused(sockets)
        endpoint = Endpoint(tuple(map(str, settings.listen.host)), settings.listen.port)
        return {endpoint: [Listener(one, frontend) for one in sockets]}

    def _close_unused(self, used: Sequence[socket.socket]) -> None:
        """Close the sockets that a predecessor has passed and that are not used."""
        unused = [listener not in used for listener in self._passed]
        for listener, is_unused in zip(self._passed, unused, strict=True):
            if is_unused:
                listener.close()
        if self._predecessor:
            self._predecessor.unused = unused

    def _load(self) -> Settings:
        try:
            return self._reload()
        except ConfigError as error:
            status = EX_NOINPUT if error.may_pass else EX_CONFIG
            raise StartError(status, *error.problems) from None

    def _facts(
        self,
        settings: Settings,
        listeners: Iterable[Sequence[Listener]],
        monitor: MonitorPlan | None,
    ) -> dict[str, Any]:
        return {
            "version": __version__,
            "docroot": settings.site.docroot or None,
            "sites": len(settings.gateway.sites),
            "log_file": settings.log.log_file,
            "access_log": settings.log.access_log,
            "maintenance_file": settings.process.maintenance_file,
            "addresses": [format_url(one.socket) for listed in listeners for one in listed],
            "monitor": _format_monitor(settings, monitor),
            "started": self._started,
            "loaded": int(time.time()),
        }


def _open_log(path: str, present: Mapping[str, LogFile], opened: ExitStack) -> LogFile:
    """Return the log file of a path, opened unless it is among those that are open."""
    if path in present:
        return present[path]
    file = LogFile(open_log_file(path), is_console=False)
    opened.callback(file.close)
    return file


def _format_monitor(settings: Settings, plan: MonitorPlan | None) -> str | None:
    """Return where clients find the monitor; None if there is none."""
    if plan is None:
        return None
    found = [format_url(one) for one in plan.sockets]
    return found[0] if found else str(settings.monitoring.monitor)


def _warn_of_interpreter(log: Log) -> None:
    has_gil = getattr(sys, "_is_gil_enabled", None)  # since Python 3.13
    if has_gil is not None and not has_gil():
        log.warning("phttpd was never tested on a free-threaded Python, which is not supported")


def _remarks(start: Settings, now: Settings, *, has_own_sockets: bool) -> list[str]:
    """Return a line for each setting that has changed since the start and that no reload applies.

    Values are compared as the program uses them, so another spelling of a value is no change.

    Args:
        start: what the server was started with.
        now: what the configuration says.
        has_own_sockets: false if a service manager has opened them.
    """
    remarks = []
    advice = advise(now)
    for key in changed_keys(start, now):
        if key.restart:
            remarks.append(f"{key.name} has changed in the configuration; {_NEXT_START}")
        elif key.own_sockets and not has_own_sockets:
            remarks.append(f"{key.name} has changed in the configuration; {_PASSED_SOCKETS}")
        else:
            remarks += [line for line in advice if line.startswith(key.name)]
    return remarks


def _open_listeners(
    settings: ListenSettings, present: Sequence[socket.socket]
) -> list[socket.socket]:
    for address in settings.unix_addresses:
        try:
            make_directory_of(address.unix)
        except OSError as error:
            raise StartError(
                status_of(error), f"cannot listen on {address}: {error.strerror}"
            ) from None
    try:
        return open_listeners(settings, present)
    except OSError as error:
        raise explain_bind(error, present) from None


def explain_bind(error: OSError, present: Sequence[socket.socket]) -> StartError:
    """Return the error of a start for an address that `open_listeners` could not bind.

    Args:
        error: which was raised.
        present: the listening sockets of this server.
    """
    is_unix = error.filename.startswith("unix:")
    host, _, port = error.filename.rpartition(":")
    what = f"cannot listen on {f'port {port}' if host in _EVERY_ADDRESS else error.filename}"
    if error.errno == errno.EADDRINUSE:
        ours = {os.fstat(listener.fileno()).st_ino for listener in present}
        text = f"{what}: already in use{describe_owner(error.filename, ours)}"
        return StartError(EX_UNAVAILABLE, text)
    if error.errno == errno.EACCES and not is_unix:
        return StartError(EX_NOPERM, f"{what}: ports below 1024 need root")
    status = EX_NOPERM if isinstance(error, PermissionError) else EX_UNAVAILABLE
    return StartError(status, f"{what}: {error.strerror}")


def _worker_settings(settings: Settings, previous: Plan | None = None) -> WorkerSettings:
    gateway = settings.gateway
    share = replace(gateway, cache=gateway.cache // settings.process.workers)
    frontend = Frontend(settings.site, share)
    # A reload may not exchange files that are served for none; a start has nothing to lose.
    before = frontend if previous is None else previous.worker.frontend
    new = frontend.docroots.keys() - before.docroots.keys()
    return WorkerSettings(
        process=settings.process,
        loop=settings.loop,
        frontend=frontend,
        log=settings.log,
        new_docroots=frozenset(new),
    )
