"""The settings of processes: their number, user and group, drain, pidfile."""

from __future__ import annotations

import math
from dataclasses import dataclass

from httpd.settings.declaration import Option, key
from httpd.settings.kinds import FLAG, duration, or_auto, whole
from httpd.settings.machine import count_cores
from httpd.settings.system_kinds import GROUP, PATH, USER

_MAX_WORKERS = 256
_WORKERS = or_auto(whole(1, _MAX_WORKERS), count_cores, _MAX_WORKERS)
_MAX_DRAIN = 30 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """The settings of processes: times in seconds, paths absolute."""

    workers: int = key(
        _WORKERS,
        "auto",
        "Worker processes: a number, or `auto` for one per core. The cores are the smallest of the"
        " CPU affinity and the CPU quotas of the control groups, cgroups(7), rounded up.",
        option=Option("worker processes, or auto: one per core", "N"),
    )
    threads: int = key(
        whole(1, 256),
        4,
        "Threads in each worker. Each is an event loop with thousands of connections, so a few are"
        " enough. With more than one, a slow disk does not stall the whole process.",
        option=Option("threads, each an event loop, per worker", "N"),
    )
    user: str | None = key(
        USER,
        None,
        "The user, by name or number, that the workers become when root starts phttpd. The units"
        " for systemd start phttpd as another user, so the key has no effect there.",
        example="www-data",
        option=Option("the user that workers become when root starts phttpd", "NAME"),
    )
    group: str | None = key(
        GROUP,
        None,
        "The group, by name or number, that the workers have when root starts phttpd. It defaults"
        " to the user's own.",
        example="www-data",
        option=Option("likewise their group", "NAME"),
    )
    drain_delay: float = key(
        duration(0, 86400),
        "0s",
        "How long phttpd serves on when it is told to stop, while `health` says that it is not"
        " ready. A balancer in front of it needs that time to find out.",
        details="A reload or an upgrade has no delay, since phttpd is ready all the time. A second"
        " signal ends the delay. When the machine shuts down, it counts into `shutdown_timeout`.",
    )
    drain_timeout: float = key(
        duration(0, _MAX_DRAIN),
        None,
        "How long a drain may take when phttpd stops, reloads or is upgraded. Without it, a drain"
        " ends when nothing moves: a connection is closed if its client accepts no data for"
        " `send_timeout`, or less than 1 KiB/s over a minute.",
        details="The log names each response that was cut.",
        unset=math.inf,
    )
    shutdown_timeout: float = key(
        duration(0, _MAX_DRAIN),
        "30s",
        "How long a drain may take when the machine shuts down.",
        details="The machine shuts down when `systemctl is-system-running` says so.",
    )
    maintenance_file: str | None = key(
        PATH,
        None,
        "While this file exists, every request gets 503 with `Retry-After`, as after"
        " `phttpd pause`.",
        details="phttpd looks for it once a second, and does not read it. Downloads in progress go"
        " on.",
    )
    pidfile: str | None = key(
        PATH,
        None,
        "The file for the pid of the supervisor. A second file, with `.lock` appended to the name,"
        " lies beside it.",
        details="Only root and the user of the supervisor can open the second file. The supervisor"
        " holds a lock on it as long as it runs. The default is `/run/phttpd.pid` for root and"
        " `~/.local/state/phttpd/phttpd.pid` for other users.",
        restart=True,
        option=Option("the file for the pid of the daemon", "FILE"),
    )
    daemon: bool = key(
        FLAG,
        True,
        "Run in the background. The options `--foreground` and `--daemon` override it.",
        restart=True,
    )
