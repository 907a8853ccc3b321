"""From settings to a running server: log, pidfile, listeners, plan and supervisor.

Called by `httpd.cli`; the only place that knows the whole of the settings and hands each room its
own.
"""

from __future__ import annotations

import errno
import os
import platform
import socket
import time
from collections.abc import Callable
from typing import Any

from httpd import __version__
from httpd.config import ConfigError, Settings
from httpd.network.listener import format_address, open_listeners
from httpd.network.loop import LoopSettings
from httpd.observe.log import Log
from httpd.process.errors import (
    EX_CONFIG,
    EX_NOPERM,
    EX_UNAVAILABLE,
    StartError,
    status_of,
)
from httpd.process.pidfile import Pidfile
from httpd.process.privileges import raise_descriptor_limit
from httpd.process.supervisor import Plan, Supervisor
from httpd.process.worker import WorkerSettings
from httpd.site.responder import SiteSettings

_LOG_MODE = 0o640
_STDOUT, _STDERR = 1, 2


class Service:
    """A server with one configuration file, through all of its reloads.

    Args:
        load: returns the settings as they are now; raises ConfigError.
        settings: the settings to start with.
        log_file: where the log goes, or None for stdout and stderr.
    """

    def __init__(
        self, load: Callable[[], Settings], settings: Settings, log_file: str | None
    ) -> None:
        self._load = load
        self._settings = settings
        self._log_file = log_file
        self._started = time.strftime("%Y-%m-%d %H:%M:%S %z")

    def run(self, on_ready: Callable[[], None]) -> int:
        """Serve until a signal ends it, and return the exit status.

        Args:
            on_ready: called once, when all workers serve.

        Raises:
            StartError: when the server cannot start.
        """
        pidfile = Pidfile(self._settings.pidfile) if self._settings.pidfile else None
        if pidfile:
            pidfile.acquire()
        try:
            log = self._open_log()
            log.notice(f"Using Python {platform.python_version()} to run phttpd {__version__}")
            raise_descriptor_limit()
            supervisor = Supervisor(self._make_plan, self._reopen_log, log)
            return supervisor.run(on_ready)
        finally:
            if pidfile:
                pidfile.release()

    # ---------------------------------------------------------------- the log

    def _open_log(self) -> Log:
        output, errors = _STDOUT, _STDERR
        if self._log_file:
            output = errors = self._open_log_file(self._log_file)
        return Log("supervisor", output, errors, self._settings.verbose)

    def _open_log_file(self, path: str) -> int:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            fd = os.open(path, flags, _LOG_MODE)
            os.set_blocking(fd, True)
        except OSError as error:
            raise StartError(
                status_of(error), f"cannot write the log file {path}: {error.strerror}"
            ) from None
        self._log_fd = fd
        return fd

    def _reopen_log(self) -> int | None:
        """Open the log file anew, under the same descriptor; return another one for the workers."""
        if not self._log_file:
            return None
        kept = self._log_fd
        try:
            fd = self._open_log_file(self._log_file)
        except StartError:
            return None  # better the old file than none
        finally:
            self._log_fd = kept
        os.dup2(fd, kept, inheritable=False)
        return fd

    # ---------------------------------------------------------------- the plan

    def _make_plan(self, previous: Plan | None) -> Plan:
        settings = self._settings
        if previous is not None:
            try:
                settings = self._load()
            except ConfigError as error:
                raise StartError(EX_CONFIG, "; ".join(error.problems)) from None
        if not os.access(settings.docroot, os.R_OK | os.X_OK):
            raise StartError(EX_NOPERM, f"the docroot {settings.docroot} may not be read")
        listeners = self._find_listeners(settings, previous)
        self._settings = settings
        return Plan(settings.workers, _worker_settings(settings), listeners, self._facts(listeners))

    def _find_listeners(self, settings: Settings, previous: Plan | None) -> list[socket.socket]:
        current = self._settings
        same = (settings.host, settings.port) == (current.host, current.port)
        if previous is not None and same:
            for listener in previous.listeners:
                listener.listen(settings.backlog)
            return list(previous.listeners)
        try:
            return open_listeners(settings.host, settings.port, settings.backlog)
        except OSError as error:
            raise _explain_bind(error) from None

    def _facts(self, listeners: list[socket.socket]) -> dict[str, Any]:
        addresses = [format_address(listener.getsockname()) for listener in listeners]
        return {
            "version": __version__,
            "docroot": self._settings.docroot,
            "addresses": [f"http://{address}/" for address in addresses],
            "started": self._started,
        }


def _explain_bind(error: OSError) -> StartError:
    address = error.filename
    if error.errno == errno.EADDRINUSE:
        return StartError(EX_UNAVAILABLE, f"{address} is taken by another program")
    if error.errno == errno.EACCES:
        text = f"{address} may not be bound by this user; ports below 1024 need root"
        return StartError(EX_NOPERM, text)
    return StartError(EX_UNAVAILABLE, f"cannot listen at {address}: {error.strerror}")


def _worker_settings(settings: Settings) -> WorkerSettings:
    loop = LoopSettings(
        recv=settings.recv,
        keepalive_timeout=settings.keepalive_timeout,
        header_timeout=settings.header_timeout,
        send_timeout=settings.send_timeout,
        drain_timeout=settings.drain_timeout,
        max_connections=settings.max_connections,
    )
    site = SiteSettings(
        docroot=settings.docroot,
        index=settings.index,
        expires=settings.expires,
        cache=settings.cache // settings.threads,
    )
    return WorkerSettings(settings.threads, loop, site, settings.user, settings.group)
