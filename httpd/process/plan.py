"""All that a generation is made of: its listeners by endpoint, and the settings of its workers.

Made by `httpd.service`, and used by `httpd.process.generation` and the modules around it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from httpd.network.listener import Listener, set_options
from httpd.network.settings import ListenSettings
from httpd.network.unix_listener import discard
from httpd.observe.log import Log
from httpd.observe.settings import LogSettings
from httpd.process.channel import Channel
from httpd.process.log_files import LogFile
from httpd.process.settings import ProcessSettings
from httpd.process.worker import WorkerSettings


class Endpoint(NamedTuple):
    """Where clients connect, as the configuration says it.

    Args:
        hosts: addresses or names, or the Unix sockets among them as texts.
        port: a TCP port.
    """

    hosts: tuple[str, ...]
    port: int


PASSED = Endpoint((), 0)
"""The endpoint of the listeners that a service manager has opened, whatever the configuration says.
The service manager keeps them when this server ends."""


@dataclass(slots=True)
class MonitorPlan:
    """What the monitor is to be.  Two plans are equal if one process serves both.

    Args:
        settings: all that its process depends on, to be compared.
        listen: where it listens, and the options of the sockets.
        sockets: open listening sockets; none as long as another phttpd listens there.
        logs: the open log files that it writes, by path.
        open: opens `sockets`; raises StartError.
        run: serves at the sockets until the channel ends it, and returns the exit status.
    """

    settings: Any
    listen: ListenSettings
    sockets: list[socket.socket]
    logs: Mapping[str, LogFile]
    open: Callable[[], list[socket.socket]] = field(compare=False)
    run: Callable[[Sequence[socket.socket], Channel, Log], int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a generation is made of.

    Args:
        worker: settings for each of the worker processes, and how many there are.
        listeners: open listening sockets and their roles, by the endpoint that they were opened
            for.  A reload keeps the sockets of an endpoint that stays.
        listen: the options of the listeners, which `set_options` sets.
        facts: for ``phttpd status``.
        access_logs: the open access logs, by where they lead.
        log_fd: the log file, if it is another one than before; to be closed when it is in use.
        remarks: settings that have changed and need a restart, a sentence for each.
        monitor: the process that shows what the server is doing, if there is one.
    """

    worker: WorkerSettings
    listeners: Mapping[Endpoint, Sequence[Listener]]
    listen: ListenSettings
    facts: dict[str, Any]
    access_logs: Mapping[str, LogFile] = field(default_factory=dict)
    log_fd: int | None = None
    remarks: Sequence[str] = ()
    monitor: MonitorPlan | None = None

    @property
    def process(self) -> ProcessSettings:
        """The settings of processes."""
        return self.worker.process

    @property
    def log(self) -> LogSettings:
        """The settings of the log."""
        return self.worker.log

    @property
    def all_listeners(self) -> list[Listener]:
        """The listeners of all endpoints, in a fixed order."""
        return [listener for listeners in self.listeners.values() for listener in listeners]

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets of `all_listeners`, in the same order."""
        return [listener.socket for listener in self.all_listeners]

    @property
    def own_endpoints(self) -> list[Endpoint]:
        """The endpoints whose listeners this server has opened."""
        return [endpoint for endpoint in self.listeners if endpoint != PASSED]

    @property
    def own_sockets(self) -> list[socket.socket]:
        """The sockets that no service manager keeps when this server ends."""
        return [one.socket for endpoint in self.own_endpoints for one in self.listeners[endpoint]]

    @property
    def monitor_sockets(self) -> list[socket.socket]:
        """The listening sockets of the monitor, which no worker has."""
        return self.monitor.sockets if self.monitor is not None else []

    @property
    def monitor_logs(self) -> Mapping[str, LogFile]:
        """The open log files that the monitor writes, by path."""
        return self.monitor.logs if self.monitor is not None else {}

    def set_options(self) -> None:
        """Set the options of the listeners; a service manager's keep their backlog.

        The generation before uses the same sockets, so this has to wait until the plan is in force.
        """
        for listener in self.sockets:
            set_options(listener, self.listen)
        for listener in self.own_sockets:
            listener.listen(self.listen.backlog)
        if self.monitor is not None:
            for listener in self.monitor_sockets:
                set_options(listener, self.monitor.listen)


def discard_plan(plan: Plan, keep: Plan | None) -> None:
    """Close a plan that is given up, and remove the files of Unix sockets that were bound for it.

    Args:
        plan: which is not used.
        keep: the plan that is used, if there is one.
    """
    kept = [*keep.sockets, *keep.monitor_sockets] if keep is not None else []
    opened = [*plan.sockets, *plan.monitor_sockets]
    discard([listener for listener in opened if listener not in kept])
    kept_logs = keep.monitor_logs.values() if keep is not None else ()
    for log in plan.monitor_logs.values():
        if log not in kept_logs:
            log.close()
    close_plan(plan, keep=keep)


def close_plan(plan: Plan, keep: Plan | None = None) -> None:
    """Close the listeners and access logs of a plan, except those that another plan uses as well.

    Args:
        plan: which is not used any more.
        keep: the plan that is used.
    """
    kept = keep.sockets if keep is not None else []
    for listener in plan.sockets:
        if listener not in kept:
            listener.close()
    kept_logs = keep.access_logs.values() if keep is not None else ()
    for log in plan.access_logs.values():
        if log not in kept_logs:
            log.close()
